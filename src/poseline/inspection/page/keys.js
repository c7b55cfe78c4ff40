// Keys: what each key does, and the list of them.

const byId = (id) => document.getElementById(id);
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// [keys as shown, what it does in words, {key: call}]; `page` has all that is called.
function table(page) {
  const { state, stage, player, marks, correct, acts } = page, many = (event) => (event.shiftKey ? 10 : 1);
  return [
    ["← →", "one frame back or on; with Shift ten", { ArrowLeft: (event) => state.go(state.place - many(event)), ArrowRight: (event) => state.go(state.place + many(event)) }],
    ["Home End", "first or last frame", { Home: () => state.go(0), End: () => state.go(state.last) }],
    ["space", "play and stop", { " ": () => player.toggle() }],
    [", .", "slower, faster", { ",": () => page.faster(-1), ".": () => page.faster(1) }],
    ["n p", "next or previous mark", { n: () => marks.step(1), p: () => marks.step(-1) }],
    ["s", "next person; with Shift the one before", { s: () => page.nextPerson(1), S: () => page.nextPerson(-1) }],
    ["k", "next keypoint; with Shift the one before", { k: () => page.nextKeypoint(1), K: () => page.nextKeypoint(-1) }],
    ["m", "move the keypoint with the arrow keys", { m: () => correct.move() }],
    ["h", "keypoint is hidden", { h: () => correct.hide() }],
    ["x", "keypoint is wrong", { x: () => correct.drop() }],
    ["g", "fill in between frames in which a keypoint is set", { g: () => correct.toggleBetween() }],
    ["i o", "span from here, to here", { i: () => correct.spanStart(), o: () => correct.spanEnd() }],
    ["c", "no span", { c: () => correct.spanClear() }],
    ["w", "swap left and right", { w: () => correct.swapSides() }],
    ["e", "swap with another person", { e: () => correct.swapPersons() }],
    ["j", "join with another person", { j: () => correct.join() }],
    ["t", "split: from here on it is somebody else", { t: () => correct.split() }],
    ["r", "name the person", { r: () => correct.rename() }],
    ["a", "say who somebody without an id is", { a: () => correct.identify() }],
    ["Del", "delete the person", { Delete: () => correct.remove(), Backspace: () => correct.remove() }],
    ["Shift M", "the main person", { M: () => correct.main() }],
    ["f", "where the person faces", { f: () => correct.facing() }],
    ["l", "scale by two points", { l: () => correct.scale() }],
    ["Shift L", "floor line", { L: () => correct.floor() }],
    ["u", "undo; with Shift redo", { u: () => acts.undo(), U: () => acts.redo() }],
    ["+ - 0", "larger, smaller, whole picture", { "+": () => stage.zoomBy(1.4), "=": () => stage.zoomBy(1.4), "-": () => stage.zoomBy(1 / 1.4), 0: () => stage.zoomBy(0) }],
    ["Esc", "leave, or choose nobody", { Escape: () => (stage.steered ? stage.leave() : state.choose(null)) }],
    ["?", "this list", { "?": () => byId("keys").showModal() }],
  ];
}

export function keys(page) {
  const rows = table(page), calls = Object.assign({}, ...rows.map(([, , those]) => those));
  byId("key-list").replaceChildren(...rows.map(([shown, text]) => {
    const row = document.createElement("div"), term = document.createElement("dt"), meaning = document.createElement("dd");
    term.append(...shown.split(" ").flatMap((name, at) => { const key = document.createElement("kbd"); key.textContent = name; return at ? [" ", key] : [key]; }));
    meaning.textContent = text;
    row.append(term, meaning);
    return row;
  }));
  document.onkeydown = (event) => {
    const { target, key } = event, typing = /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
    if (event.altKey || typing || document.querySelector("dialog[open]")) return;
    if (event.ctrlKey || event.metaKey) {
      const undoing = { z: () => (event.shiftKey ? page.acts.redo() : page.acts.undo()), y: () => page.acts.redo() }[key.toLowerCase()];
      if (undoing) { undoing(); event.preventDefault(); }
      return;
    }
    if (page.stage.steered && (STEPS[key] || key === "Enter")) {
      const [dx, dy] = STEPS[key] ?? [], size = event.shiftKey ? 10 : 1;
      if (STEPS[key]) page.stage.steer(dx * size, dy * size); else page.stage.enter();
      event.preventDefault();
      return;
    }
    const pressing = /^(BUTTON|A)$/.test(target.tagName) && (key === " " || key === "Enter");
    if (pressing || !Object.hasOwn(calls, key)) return;
    event.preventDefault();
    calls[key](event);
  };
}
