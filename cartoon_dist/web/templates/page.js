"use strict";

// Takes a photo, hands its pixels to the worker that draws, and shows both. Nothing is sent anywhere.

const at = (id) => document.getElementById(id);
const page = { photo: null, name: "photo", worker: null, drawn: null, timer: 0 };

function complain(text) {
  at("trouble").textContent = text;
  at("trouble").hidden = !text;
}

// ---- the photo

async function take(file) {
  complain("");
  try {
    const photo = await createImageBitmap(file, { imageOrientation: "from-image" });
    page.photo?.close();
    page.photo = photo;
  } catch {
    complain(`${file.name || "This file"} is no picture that this browser can read; save it as JPEG or PNG and try again.`);
    return;
  }
  page.name = (file.name || "photo").replace(/\.[^.]*$/, "") || "photo";
  URL.revokeObjectURL(at("preview").src);
  at("preview").src = URL.createObjectURL(file);
  at("preview").hidden = false;
  at("draw").disabled = Boolean(page.timer);
  at("status").textContent = `${page.photo.width} x ${page.photo.height} pixels`;
}

function canvasOf(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

// The photo on white, its long side at most so many pixels (0: as it is), as a canvas.
function sized(photo, longSide) {
  const scale = longSide ? Math.min(1, longSide / Math.max(photo.width, photo.height)) : 1;
  const width = Math.max(1, Math.round(photo.width * scale));
  const height = Math.max(1, Math.round(photo.height * scale));
  let source = photo;
  for (;;) {
    // By halves: one large step would skip pixels.
    const last = source.width <= 2 * width && source.height <= 2 * height;
    const canvas = last
      ? canvasOf(width, height)
      : canvasOf(Math.max(width, Math.ceil(source.width / 2)), Math.max(height, Math.ceil(source.height / 2)));
    const context = canvas.getContext("2d", { colorSpace: "srgb", willReadFrequently: true });
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(source, 0, 0, canvas.width, canvas.height);
    if (last) return canvas;
    source = canvas;
  }
}

// ---- the drawing

function startWorker() {
  // From a blob: such a worker keeps this page's policy, by which it can reach no other server either.
  const script = `import ${JSON.stringify(new URL("worker.js", document.baseURI).href)};`;
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const worker = new Worker(address, { type: "module" });
  worker.addEventListener("message", (event) => heard(event.data));
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    heard({ kind: "failed", text: "This browser is too old for the page, or a file of the page is missing.", restart: true });
  });
  return worker;
}

function draw() {
  const style = document.querySelector("input[name=style]:checked");
  let canvas;
  let pixels;
  try {
    canvas = sized(page.photo, Number(at("size").value));
    pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  } catch {
    complain("The photo is too large for this browser; choose a smaller size.");
    return;
  }
  complain("");
  page.worker ??= startWorker();
  page.drawn = { before: canvas, name: `${page.name}-${style.dataset.name}` };
  work("Loading the model");
  const model = new URL(style.value, document.baseURI).href;
  page.worker.postMessage({ model, pixels, width: canvas.width, height: canvas.height }, [pixels.buffer]);
}

// Says what goes on, with the seconds since it began.
function work(words) {
  clearInterval(page.timer);
  const began = performance.now();
  const tell = () => { at("status").textContent = `${words}: ${Math.round((performance.now() - began) / 1000)} s`; };
  page.timer = setInterval(tell, 1000);
  tell();
  at("bar").removeAttribute("value");
  at("working").hidden = false;
  at("cancel").hidden = false;
  at("draw").disabled = true;
}

function rest(words) {
  clearInterval(page.timer);
  page.timer = 0;
  at("status").textContent = words;
  at("working").hidden = true;
  at("cancel").hidden = true;
  at("draw").disabled = !page.photo;
}

function heard(told) {
  if (told.kind === "loaded") {
    if (told.share !== null) at("bar").value = told.share;
  } else if (told.kind === "drawing") {
    work("Drawing");
  } else if (told.kind === "failed") {
    if (told.restart) forgetWorker();
    rest("");
    complain(told.text);
  } else {
    show(told);
    at("device").textContent = told.device;
    rest(`${told.width} x ${told.height} pixels in ${told.seconds.toFixed(1)} s`);
  }
}

function forgetWorker() {
  page.worker?.terminate();
  page.worker = null;
}

// ---- before and after

function show({ pixels, width, height }) {
  for (const id of ["before", "after"]) {
    at(id).width = width;
    at(id).height = height;
  }
  at("before").getContext("2d").drawImage(page.drawn.before, 0, 0);
  at("after").getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
  page.saved = page.drawn.name;
  at("compare").style.setProperty("--ratio", width / height);
  at("empty").hidden = true;
  at("result").hidden = false;
  divide(50);
  at("result").scrollIntoView({ block: "nearest" });
}

function divide(percent) {
  const share = Math.min(100, Math.max(0, percent));
  at("divider").value = share;
  at("compare").style.setProperty("--at", `${share}%`);
}

function divideAt(event) {
  const box = at("compare").getBoundingClientRect();
  divide(((event.clientX - box.left) / box.width) * 100);
}

function save(type, suffix) {
  at("after").toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${page.saved}.${suffix}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }, type, 0.95);
}

// ---- the camera

async function openCamera() {
  complain("");
  try {
    const wanted = { width: { ideal: 1920 }, height: { ideal: 1080 }, facingMode: "environment" };
    at("video").srcObject = await navigator.mediaDevices.getUserMedia({ video: wanted });
    at("viewfinder").showModal();
  } catch {
    complain("The camera cannot be used: there is none, or the browser was not allowed to.");
  }
}

function closeCamera() {
  for (const track of at("video").srcObject?.getTracks() ?? []) track.stop();
  at("video").srcObject = null;
}

function shoot() {
  const video = at("video");
  if (!video.videoWidth) return;
  const canvas = canvasOf(video.videoWidth, video.videoHeight);
  canvas.getContext("2d").drawImage(video, 0, 0);
  at("viewfinder").close();
  canvas.toBlob((blob) => take(new File([blob], "camera.png", { type: "image/png" })), "image/png");
}

// ---- what a visitor does

function listen() {
  at("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) take(file);
    event.target.value = ""; // so that the same file can be chosen again
  });
  addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
    if (file) take(file);
  });
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    addEventListener(kind, (event) => {
      event.preventDefault(); // a browser would open the file in place of the page
      at("drop").classList.toggle("over", kind === "dragenter" || kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
    });
  }
  at("controls").addEventListener("submit", (event) => {
    event.preventDefault();
    if (page.photo && !page.timer) draw();
  });
  at("cancel").addEventListener("click", () => {
    forgetWorker();
    rest("Cancelled");
  });
  at("divider").addEventListener("input", () => divide(Number(at("divider").value)));
  at("compare").addEventListener("pointerdown", (event) => {
    at("compare").setPointerCapture(event.pointerId);
    divideAt(event);
  });
  at("compare").addEventListener("pointermove", (event) => { if (event.buttons) divideAt(event); });
  at("png").addEventListener("click", () => save("image/png", "png"));
  at("jpeg").addEventListener("click", () => save("image/jpeg", "jpg"));
  at("camera").addEventListener("click", openCamera);
  at("shoot").addEventListener("click", shoot);
  at("close").addEventListener("click", () => at("viewfinder").close());
  at("viewfinder").addEventListener("close", closeCamera);
  at("camera").hidden = !navigator.mediaDevices?.getUserMedia; // browsers have it on https and on this machine
}

if (location.protocol === "file:") {
  complain("A browser draws only on a page that comes from a server. In the page's folder type: python -m http.server, then open http://127.0.0.1:8000/");
}
listen();
