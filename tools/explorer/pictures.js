// pictures.js: from a picture file to grey pixels, for the reader of QR codes.

const PIXELS_MAX = 1 << 22; // as verifier/qr_read.h has it
const SVG_SIDE = 1480; // what a drawing is drawn at, about: eight pixels to a module of the largest code

/** { grey, width, height } of a PNG, JPEG, SVG or whatever else the browser draws. Throws when it draws nothing. */
export async function greyOf(file) {
  const url = URL.createObjectURL(file), image = new Image();
  try {
    image.src = url;
    await image.decode();
    const [w, h] = image.naturalWidth && image.naturalHeight ? [image.naturalWidth, image.naturalHeight] : [SVG_SIDE, SVG_SIDE];
    const grow = file.type === "image/svg+xml" ? Math.max(1, Math.floor(SVG_SIDE / Math.max(w, h))) : 1, shrink = Math.min(1, Math.sqrt(PIXELS_MAX / (w * h * grow * grow)));
    const width = Math.max(1, Math.floor(w * grow * shrink)), height = Math.max(1, Math.floor(h * grow * shrink));
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#fff"; // behind what is transparent
    context.fillRect(0, 0, width, height);
    context.drawImage(image, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height), grey = new Uint8Array(width * height);
    for (let i = 0; i < grey.length; i++) grey[i] = (data[4 * i] * 54 + data[4 * i + 1] * 183 + data[4 * i + 2] * 19) >> 8; // ITU-R BT.709
    return { grey, width, height };
  } finally {
    URL.revokeObjectURL(url);
  }
}
