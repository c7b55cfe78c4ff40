// Ahead: an act drawn before the server has answered. What it leaves out, such as what is interpolated, comes from there.

const SET = 2, MISSING = 0, HIDDEN = 0;

// Write what `act` changes into chunks of poses that are here.
export function draw(act, chunks, state) {
  const drawOne = DRAWN[act.do];
  if (drawOne) for (const chunk of chunks) drawOne(act, chunk, state);
}

function* rows(chunk, state, person, from, to) {
  for (let row = 0; row < chunk.rows; row++) {
    const number = state.numbers[chunk.places[row]];
    if (chunk.ids[row] === person && number >= (from ?? -Infinity) && number <= (to ?? Infinity)) yield row;
  }
}

const mirror = (name) => (name.startsWith("left_") ? name.replace("left_", "right_") : name.replace("right_", "left_"));

function keypoints(act, chunk, state, change) {
  for (const row of rows(chunk, state, act.person, act.from, act.to)) {
    for (const name of act.keypoints) change(row * chunk.keypoints + state.run.keypoints.indexOf(name));
  }
}

const DRAWN = {
  place(act, chunk, state) {
    const keypoint = state.run.keypoints.indexOf(act.keypoint);
    for (const row of rows(chunk, state, act.person)) {
      const at = act.at[state.numbers[chunk.places[row]]];
      if (!at) continue;
      chunk.points.set([...at, 1], 3 * (row * chunk.keypoints + keypoint));
      chunk.states[row * chunk.keypoints + keypoint] = SET;
    }
  },
  hide(act, chunk, state) { keypoints(act, chunk, state, (index) => { chunk.points[3 * index + 2] = HIDDEN; }); },
  drop(act, chunk, state) { keypoints(act, chunk, state, (index) => { chunk.points.fill(NaN, 3 * index, 3 * index + 3); chunk.states[index] = MISSING; }); },
  swap_sides(act, chunk, state) {
    const names = state.run.keypoints, order = names.map((name) => Math.max(0, names.indexOf(mirror(name))));
    for (const row of rows(chunk, state, act.person, act.from, act.to)) {
      const person = chunk.person(row), points = person.points.slice(), states = person.states.slice();
      names.forEach((name, index) => {
        if (mirror(name) === name) return;
        person.points.set(points.subarray(3 * order[index], 3 * order[index] + 3), 3 * index);
        person.states[index] = states[order[index]];
      });
    }
  },
  swap_persons(act, chunk, state) {
    const [one, other] = act.persons, ones = [...rows(chunk, state, one, act.from, act.to)], others = [...rows(chunk, state, other, act.from, act.to)];
    for (const row of ones) chunk.ids[row] = other;
    for (const row of others) chunk.ids[row] = one;
  },
  split(act, chunk, state) { for (const row of rows(chunk, state, act.person, act.from)) chunk.ids[row] = act.new; },
};
