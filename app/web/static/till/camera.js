"use strict";
// The camera as a scanner. The barcode reader is loaded when the camera is first used.

const FORMATS = ["QRCode", "PDF417", "Aztec", "Code128", "EAN13"];
const PAUSE = 120;
// A code that stays in view is one scan; it counts again after it was out of view this long.
const GONE = 2500;

let reader;

function load() {
  reader ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = document.body.dataset.reader;
    script.addEventListener("error", () => reject(new Error("reader")));
    script.addEventListener("load", () => {
      const zxing = window.ZXingWASM;
      zxing
        .prepareZXingModule({
          overrides: { locateFile: () => document.body.dataset.wasm },
          fireImmediately: true,
        })
        .then(() => resolve(zxing), reject);
    });
    document.head.append(script);
  });
  return reader;
}

export class Camera {
  constructor(film, found) {
    this.film = film;
    this.found = found;
    this.stream = null;
    this.canvas = document.createElement("canvas");
    this.seen = { text: "", at: 0 };
  }

  get running() {
    return this.stream !== null;
  }

  async start() {
    if (this.running) return;
    const zxing = await load();
    this.stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: "environment", width: { ideal: 1280 } },
      audio: false,
    });
    this.film.srcObject = this.stream;
    await this.film.play();
    this.#watch(zxing);
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.film.srcObject = null;
  }

  async #watch(zxing) {
    while (this.running) {
      const text = await this.#look(zxing);
      const now = performance.now();
      if (text !== null) {
        const again = text === this.seen.text && now - this.seen.at < GONE;
        this.seen = { text, at: now };
        if (!again && this.running) this.found(text);
      }
      await new Promise((wake) => setTimeout(wake, PAUSE));
    }
  }

  async #look(zxing) {
    const { videoWidth: width, videoHeight: height } = this.film;
    if (width === 0) return null;
    this.canvas.width = width;
    this.canvas.height = height;
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(this.film, 0, 0);
    const picture = context.getImageData(0, 0, width, height);
    const symbols = await zxing.readBarcodes(picture, { formats: FORMATS, maxNumberOfSymbols: 1 });
    return symbols.length > 0 && symbols[0].text !== "" ? symbols[0].text : null;
  }
}
