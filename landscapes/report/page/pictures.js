// One roll-out as pictures. Knows a canvas and a roll-out's frames, nothing of buttons; a stand-in for SceneView.

const SMOOTH_FROM = 64; // pixels: what is smaller is made of cells, whose edges stay sharp

class PictureView {
  constructor(canvas) {
    this.canvas = canvas;
    this.sheet = document.createElement("canvas");
    this.rollout = null;
    this.frame = 0;
  }

  /** Shows a roll-out from its first frame on. */
  show(sceneRecord, rollout) {
    this.rollout = rollout;
    [this.sheet.height, this.sheet.width] = [rollout.height, rollout.width];
    this.image = new ImageData(rollout.width, rollout.height);
    this.draw(0);
  }

  recolour() {
    this.draw(this.frame);
  }

  draw(frame) {
    if (!this.rollout) return;
    this.frame = frame;
    this.paint(Math.min(Math.floor(frame), this.rollout.numFrames - 1));
    const { canvas, sheet } = this;
    const ratio = Math.min(window.devicePixelRatio, 2);
    canvas.width = Math.floor(canvas.clientWidth * ratio);
    canvas.height = Math.floor(canvas.clientHeight * ratio);
    const scale = Math.min(canvas.width / sheet.width, canvas.height / sheet.height);
    const [width, height] = [scale * sheet.width, scale * sheet.height];
    const pen = canvas.getContext("2d");
    pen.imageSmoothingEnabled = Math.max(sheet.width, sheet.height) >= SMOOTH_FROM;
    pen.imageSmoothingQuality = "high";
    pen.drawImage(sheet, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
  }

  paint(frame) {
    const { numbers, colours, width, height } = this.rollout;
    const pixels = this.image.data;
    for (let pixel = 0; pixel < width * height; pixel += 1) {
      const colour = 3 * numbers[frame * width * height + pixel];
      for (let part = 0; part < 3; part += 1) pixels[4 * pixel + part] = colours[colour + part];
      pixels[4 * pixel + 3] = 255;
    }
    this.sheet.getContext("2d").putImageData(this.image, 0, 0);
  }
}
