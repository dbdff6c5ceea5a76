// Draws, beside the page, so that the page does not stand still: a photo's pixels in, the cartoon's out.

const MULTIPLE = 4;
const MIN_SIDE = 8; // what the networks need of a side
const PROBE_SIDE = 64;
const MAX_DIFFERENCE = 1.5 / 127.5; // of a graphics card's drawing to the processor's, in [-1, 1]
const MAX_THREADS = 8;

const state = { ort: null, onGraphicsCard: false, model: null, session: null };
let turn = Promise.resolve();

self.addEventListener("message", ({ data }) => {
  turn = turn.then(() => draw(data)).catch((error) => postMessage(failure(error)));
});

class Trouble extends Error {}

function failure(error) {
  if (error instanceof Trouble) return { kind: "failed", text: error.message, restart: false };
  const text = String(error?.message ?? error);
  if (/alloc|memory|out of bounds|RangeError/i.test(text) || typeof error === "number") {
    return { kind: "failed", text: "The drawing does not fit this browser's memory; choose a smaller size.", restart: true };
  }
  return { kind: "failed", text: `The drawing failed: ${text}`, restart: true };
}

async function draw({ model, pixels, width, height }) {
  if (state.model !== model) await load(model);
  postMessage({ kind: "drawing" });
  const began = performance.now();
  const drawn = await run(state.session, padded(pixels, width, height));
  const cartoon = cropped(drawn, width, height);
  const seconds = (performance.now() - began) / 1000;
  const device = state.onGraphicsCard ? "your graphics card" : "your processor";
  postMessage({ kind: "done", pixels: cartoon, width, height, seconds, device }, [cartoon.buffer]);
}

// ---- the model

async function load(model) {
  await state.session?.release();
  Object.assign(state, { model: null, session: null });
  const content = await fetched(model);
  const ort = await runtime();
  state.session = await session(ort, content, "wasm");
  if (state.onGraphicsCard) {
    const card = await onGraphicsCard(ort, content);
    state.onGraphicsCard = card !== null;
    if (card) {
      await state.session.release();
      state.session = card;
    }
  }
  state.model = model;
}

// A session of the graphics card, if it draws a small picture as the processor does; null where it does not.
async function onGraphicsCard(ort, content) {
  try {
    const card = await session(ort, content, "webgpu");
    const pixels = Uint8ClampedArray.from({ length: 4 * PROBE_SIDE * PROBE_SIDE }, (_, index) => (index * 37) % 251);
    const probe = padded(pixels, PROBE_SIDE, PROBE_SIDE);
    const [ours, theirs] = [await run(state.session, probe), await run(card, probe)];
    if (ours.data.every((value, index) => Math.abs(value - theirs.data[index]) <= MAX_DIFFERENCE)) return card;
    await card.release();
  } catch (error) {
    console.info("drawn on the processor:", error);
  }
  return null;
}

async function fetched(address) {
  const answer = await fetch(address).catch(() => null);
  if (!answer?.ok) throw new Trouble("The model cannot be loaded from the page's server; try again.");
  const total = Number(answer.headers.get("content-length"));
  const parts = [];
  let loaded = 0;
  const reader = answer.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    loaded += part.value.length;
    postMessage({ kind: "loaded", share: total ? Math.min(1, loaded / total) : null });
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

// onnxruntime-web: the build for graphics cards where there is one, which can use the processor as well.
async function runtime() {
  if (state.ort) return state.ort;
  const adapter = await self.navigator.gpu?.requestAdapter().catch(() => null);
  state.onGraphicsCard = Boolean(adapter) && !(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter);
  const build = state.onGraphicsCard ? "ort.webgpu.js" : "ort.wasm.js";
  const binary = state.onGraphicsCard ? "ort-wasm-simd-threaded.asyncify.wasm" : "ort-wasm-simd-threaded.wasm";
  const ort = await import(new URL(`runtime/${build}`, import.meta.url).href);
  ort.env.logLevel = "error";
  ort.env.wasm.wasmPaths = { wasm: new URL(`runtime/${binary}`, import.meta.url).href };
  // Threads share memory, which browsers allow where a server isolates its pages.
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(self.navigator.hardwareConcurrency || 1, MAX_THREADS) : 1;
  state.ort = ort;
  return ort;
}

function session(ort, content, provider) {
  // A memory plan would be kept for each size of picture.
  return ort.InferenceSession.create(content, { executionProviders: [provider], enableMemPattern: false });
}

async function run(session, photo) {
  const { generated } = await session.run({ photo: new state.ort.Tensor("float32", photo.data, [1, 3, photo.height, photo.width]) });
  return { data: generated.data, height: photo.height, width: photo.width };
}

// ---- pixels

function paddedSide(side) {
  return Math.max(MIN_SIDE, Math.ceil(side / MULTIPLE) * MULTIPLE);
}

// Where a row or column of the padding comes from: the picture mirrored at its edge, again and again where need be.
function mirrored(index, side) {
  if (side === 1) return 0;
  const place = index % (2 * (side - 1));
  return place < side ? place : 2 * (side - 1) - place;
}

// RGBA bytes, row by row -> red, green and blue planes in [-1, 1], with sides that the networks take.
function padded(pixels, width, height) {
  const [wide, high] = [paddedSide(width), paddedSide(height)];
  const area = wide * high;
  const data = new Float32Array(3 * area);
  for (let y = 0; y < high; y += 1) {
    const row = mirrored(y, height) * width;
    for (let x = 0; x < wide; x += 1) {
      const from = 4 * (row + mirrored(x, width));
      const to = y * wide + x;
      for (let colour = 0; colour < 3; colour += 1) data[colour * area + to] = pixels[from + colour] / 127.5 - 1;
    }
  }
  return { data, width: wide, height: high };
}

// Planes in [-1, 1] -> RGBA bytes of the upper left part.
function cropped(planes, width, height) {
  const area = planes.width * planes.height;
  const pixels = new Uint8ClampedArray(4 * width * height); // rounds to the nearest, and clips
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const from = y * planes.width + x;
      const to = 4 * (y * width + x);
      for (let colour = 0; colour < 3; colour += 1) {
        const value = planes.data[colour * area + from];
        if (!Number.isFinite(value)) throw new Trouble("What the model draws of this photo is no picture; try another style or size.");
        pixels[to + colour] = (value + 1) * 127.5;
      }
      pixels[to + 3] = 255;
    }
  }
  return pixels;
}
