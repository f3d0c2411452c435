// Strokes of the mask brush: what was drawn, in order, so that each can be taken back.

const LONGEST = 1024; // px of a mask's long side

/** Regions of one photograph; each a canvas that is opaque where it holds. */
export class Strokes {
  constructor(width, height) {
    const factor = Math.min(1, LONGEST / Math.max(width, height));
    this.width = Math.max(1, Math.round(width * factor));
    this.height = Math.max(1, Math.round(height * factor));
    this.layers = new Map();
    this.bases = new Map();
    this.strokes = [];
  }

  /** The canvas of a region; made when it is first asked for. */
  layer(target) {
    if (!this.layers.has(target)) this.layers.set(target, this.makeCanvas());
    return this.layers.get(target);
  }

  makeCanvas() {
    const canvas = document.createElement("canvas");
    canvas.width = this.width;
    canvas.height = this.height;
    canvas.getContext("2d", { willReadFrequently: true });
    return canvas;
  }

  /** Begin with a mask: white in the picture is the region, beside what it began with before. */
  setBase(target, picture) {
    const canvas = this.makeCanvas();
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0, this.width, this.height);
    const pixels = context.getImageData(0, 0, this.width, this.height);
    for (let at = 0; at < pixels.data.length; at += 4) {
      pixels.data[at + 3] = pixels.data[at];
      pixels.data.fill(255, at, at + 3);
    }
    context.putImageData(pixels, 0, 0);
    if (this.bases.has(target)) context.drawImage(this.bases.get(target), 0, 0);
    this.bases.set(target, canvas);
    this.layer(target).getContext("2d").drawImage(canvas, 0, 0);
  }

  /** Begin a stroke of `size` (a part of the long side) at a point (parts of width and height). */
  begin(target, size, erase, point) {
    this.layer(target);
    this.strokes.push({ target, size, erase, points: [point] });
    this.drawLast(this.strokes.at(-1), 0);
  }

  /** Go on with the stroke. */
  extend(point) {
    const stroke = this.strokes.at(-1);
    stroke.points.push(point);
    this.drawLast(stroke, stroke.points.length - 2);
  }

  /** Take back the last stroke; false if there is none. */
  undo() {
    if (!this.strokes.pop()) return false;
    this.redraw();
    return true;
  }

  /** Away with all regions. */
  clear() {
    this.strokes = [];
    this.bases.clear();
    this.redraw();
  }

  redraw() {
    for (const [target, canvas] of this.layers) {
      const context = canvas.getContext("2d");
      context.clearRect(0, 0, this.width, this.height);
      if (this.bases.has(target)) context.drawImage(this.bases.get(target), 0, 0);
    }
    for (const stroke of this.strokes) this.drawLast(stroke, 0);
  }

  // A place belongs to one region: what is painted here is taken from the others.
  drawLast(stroke, from) {
    for (const [target, canvas] of this.layers) {
      const own = target === stroke.target;
      if (own || !stroke.erase) this.drawPoints(canvas, stroke, from, !own || stroke.erase);
    }
  }

  drawPoints(canvas, { size, points }, from, erase) {
    const context = canvas.getContext("2d");
    context.globalCompositeOperation = erase ? "destination-out" : "source-over";
    context.strokeStyle = "#fff";
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = size * Math.max(this.width, this.height);
    context.beginPath();
    const piece = points.slice(from);
    piece.forEach(([x, y], index) => {
      if (index === 0) context.moveTo(x * this.width, y * this.height);
      // A line without a length is not drawn, whatever its caps.
      context.lineTo(x * this.width + (piece.length === 1 ? 0.01 : 0), y * this.height);
    });
    context.stroke();
    context.globalCompositeOperation = "source-over";
  }

  /** Whether nothing was painted there, or all of it erased. */
  isEmpty(target) {
    const canvas = this.layers.get(target);
    if (!canvas) return true;
    const { data } = canvas.getContext("2d").getImageData(0, 0, this.width, this.height);
    for (let at = 3; at < data.length; at += 4) if (data[at]) return false;
    return true;
  }

  /** A region as a PNG, white on black; or what none of several covers. */
  write(targets, inverted = false) {
    const canvas = this.makeCanvas();
    const context = canvas.getContext("2d");
    for (const target of targets) context.drawImage(this.layer(target), 0, 0);
    context.globalCompositeOperation = inverted ? "source-out" : "source-in";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, this.width, this.height);
    context.globalCompositeOperation = "destination-over";
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.width, this.height);
    return new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
  }
}
