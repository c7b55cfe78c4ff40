// Video: decodes a camera's H.264, where the browser can: on this computer's own address, or by HTTPS.

const TRIED = { codec: "avc1.42E01F", optimizeForLatency: true };

export async function canDecode() {
  if (typeof VideoDecoder === "undefined") return false;
  return (await VideoDecoder.isConfigSupported(TRIED).catch(() => null))?.supported ?? false;
}

export class Video {
  // `failed` is called when there is no going on.
  constructor(failed) {
    Object.assign(this, { failed, codec: "", decoder: null, waiting: new Map() });
  }

  // The picture of one frame; null where it cannot be decoded.
  decode({ number, codec }, data) {
    if (codec && (codec !== this.codec || this.decoder?.state !== "configured")) this.begin(codec);
    if (this.decoder?.state !== "configured") return Promise.resolve(null);
    return new Promise((resolve) => {
      this.waiting.set(number, resolve);
      try {
        this.decoder.decode(new EncodedVideoChunk({ type: codec ? "key" : "delta", timestamp: number, data }));
      } catch (error) {
        this.end(error);
      }
    });
  }

  begin(codec) {
    if (this.decoder?.state === "configured") this.decoder.close();
    this.forget();
    this.codec = codec;
    this.decoder = new VideoDecoder({ output: (picture) => this.take(picture), error: (error) => this.end(error) });
    this.decoder.configure({ codec, optimizeForLatency: true });
  }

  take(picture) {
    const resolve = this.waiting.get(picture.timestamp);
    this.waiting.delete(picture.timestamp);
    resolve ? resolve(picture) : picture.close();
  }

  forget() {
    for (const resolve of this.waiting.values()) resolve(null);
    this.waiting.clear();
  }

  end() {
    this.forget();
    this.decoder = null;
    this.failed();
  }
}
