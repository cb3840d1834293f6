// The stages of the page: panels that play together. Knows the page's elements and the two views; every number comes ready.

const SVG = "http://www.w3.org/2000/svg";

/** Several roll-outs on one clock: play, pause, scrub, speed, loop, and a line of the returns so far. */
class Stage {
  constructor(THREE, element, entries, data) {
    Object.assign(this, { THREE, element, entries, data, panels: [], step: 0, playing: false, visible: false });
    const find = (name) => element.querySelector(`[data-role="${name}"]`);
    for (const name of ["entry", "grid", "play", "scrub", "speed", "loop", "clock", "trace", "highest", "lowest"]) {
      this[name] = find(name);
    }
    entries.forEach((entry, index) => this.entry.add(new Option(entry.label, index)));
    this.entry.disabled = entries.length < 2;
    this.entry.addEventListener("change", () => this.open(Number(this.entry.value)));
    this.play.addEventListener("click", () => this.toggle());
    this.scrub.addEventListener("input", () => this.goTo(Number(this.scrub.value)));
    new IntersectionObserver(([seen]) => { this.visible = seen.isIntersecting; }, { threshold: 0.1 }).observe(element);
    new ResizeObserver(() => this.redraw()).observe(this.grid);
  }

  /** Shows one entry from its first step on; all entries of a stage have equally many panels. */
  async open(index) {
    const entry = this.entries[index];
    this.entry.value = index;
    if (!this.panels.length) {
      this.panels = entry.panels.map((about) => this.makePanel(about));
      this.grid.dataset.count = this.panels.length;
      this.grid.replaceChildren(...this.panels.map((panel) => panel.element));
    }
    this.panels.forEach((panel, place) => this.describe(panel, entry.panels[place]));
    await Promise.all(this.panels.map((panel) => this.fill(panel, 0)));
    this.reset();
  }

  makePanel({ tone, dashed }) {
    const element = document.getElementById("panel").content.firstElementChild.cloneNode(true);
    const find = (name) => element.querySelector(`[data-role="${name}"]`);
    element.dataset.tone = tone;
    const panel = { tone, dashed, element, views: {} };
    for (const name of ["title", "detail", "canvas", "caption", "now", "which"]) panel[name] = find(name);
    panel.which.addEventListener("change", async () => {
      await this.fill(panel, Number(panel.which.value));
      this.reset();
    });
    return panel;
  }

  describe(panel, { title, detail, rollouts }) {
    panel.title.textContent = title;
    panel.detail.textContent = detail;
    panel.label = `${title}, ${detail}`;
    panel.rollouts = rollouts;
    panel.which.replaceChildren(...rollouts.map((number, index) => new Option(this.data.rollouts[number].option, index)));
    panel.which.hidden = rollouts.length < 2;
  }

  async fill(panel, index) {
    const number = panel.rollouts[index];
    const rollout = await unpackedRollout(this.data.rollouts[number]);
    if (panel.rollouts[index] !== number) return; // another entry was chosen meanwhile
    panel.rollout = rollout;
    panel.caption.textContent = panel.rollout.caption;
    const scene = this.data.scenes[rollout.scene];
    this.turnTo(panel, scene.picture ? "pictures" : "bodies");
    panel.view.show(scene, rollout);
  }

  /** Gives the panel the view of its kind, on a canvas of its own: one canvas is drawn on in one way only. */
  turnTo(panel, kind) {
    const begin = (canvas) => (kind === "bodies" ? new SceneView(this.THREE, canvas, `--body-${panel.tone}`) : new PictureView(canvas));
    if (panel.kind !== kind && panel.kind) {
      const canvas = panel.views[kind]?.canvas ?? document.getElementById("panel").content.querySelector("canvas").cloneNode(true);
      panel.canvas.replaceWith(canvas);
      panel.canvas = canvas;
    }
    panel.kind = kind;
    panel.views[kind] = panel.views[kind] ?? begin(panel.canvas);
    panel.view = panel.views[kind];
    panel.canvas.dataset.kind = kind;
    panel.canvas.tabIndex = kind === "bodies" ? 0 : -1;
    const turning = kind === "bodies" ? ": arrow keys turn the camera, + and - move it" : "";
    panel.canvas.setAttribute("aria-label", `${panel.label}${turning}`);
  }

  reset() {
    this.numSteps = Math.max(...this.panels.map((panel) => panel.rollout.num_steps));
    this.scrub.max = this.numSteps;
    this.drawTrace();
    this.goTo(0);
  }

  toggle() {
    if (!this.playing && this.step >= this.numSteps) this.goTo(0);
    this.setPlaying(!this.playing);
  }

  setPlaying(playing) {
    this.playing = playing;
    this.play.textContent = playing ? "Pause" : "Play";
    this.play.setAttribute("aria-pressed", String(playing));
  }

  /** Moves on by so many seconds of the page's clock. */
  advance(seconds) {
    if (!this.playing || !this.visible || !this.panels.length) return;
    const step = this.step + (seconds * Number(this.speed.value)) / this.panels[0].rollout.seconds_per_step;
    if (step < this.numSteps) this.goTo(step);
    else if (this.loop.checked) this.goTo(0);
    else {
      this.goTo(this.numSteps);
      this.setPlaying(false);
    }
  }

  goTo(step) {
    this.step = step;
    this.element.dataset.step = Math.floor(step);
    this.scrub.value = step;
    this.scrub.setAttribute("aria-valuetext", `step ${Math.floor(step)} of ${this.numSteps}`);
    this.clock.textContent = `step ${Math.floor(step)} of ${this.numSteps}`;
    this.redraw();
  }

  redraw() {
    for (const panel of this.panels) {
      const { rollout } = panel;
      if (!rollout) continue;
      const frame = Math.min(this.step / rollout.steps_per_frame, rollout.numFrames - 1);
      panel.view.draw(frame);
      const ended = this.step >= rollout.num_steps;
      panel.element.classList.toggle("ended", ended);
      const soFar = rollout.returns[Math.min(Math.floor(frame), rollout.returns.length - 1)];
      panel.now.textContent = ended ? rollout.end : `return so far ${soFar.toFixed(0)}`;
    }
    if (this.cursor) {
      const x = (100 * this.step) / this.numSteps;
      this.cursor.setAttribute("x1", x);
      this.cursor.setAttribute("x2", x);
    }
  }

  /** The returns so far over the steps, all panels on one pair of axes. */
  drawTrace() {
    const all = this.panels.map((panel) => [...panel.rollout.returns]);
    const [low, high] = [Math.min(0, ...all.flat()), Math.max(1e-6, ...all.flat())];
    const line = (name, attributes) => {
      const element = document.createElementNS(SVG, name);
      Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
      return element;
    };
    const curves = this.panels.map(({ rollout, tone, dashed }) => {
      const points = Array.from(rollout.returns, (value, frame) => {
        const step = Math.min(frame * rollout.steps_per_frame, rollout.num_steps);
        return `${((100 * step) / this.numSteps).toFixed(3)},${(40 - (40 * (value - low)) / (high - low)).toFixed(3)}`;
      });
      return line("polyline", { points: points.join(" "), class: `curve ${tone}${dashed ? " dashed" : ""}` });
    });
    this.cursor = line("line", { y1: 0, y2: 40, class: "cursor" });
    this.trace.replaceChildren(...curves, this.cursor);
    this.trace.setAttribute("aria-label", `returns so far over ${this.numSteps} steps, from ${low.toFixed(0)} to ${high.toFixed(0)}`);
    this.highest.textContent = high.toFixed(0);
    this.lowest.textContent = low.toFixed(0);
  }
}

/** The 3-D library, which the page carries where there is a body to draw. */
async function library() {
  const text = await unpacked(document.getElementById("three").textContent, "gzip");
  const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const THREE = await import(address);
  URL.revokeObjectURL(address);
  return THREE;
}

async function start() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const THREE = document.getElementById("three") && await library();

  const stages = [];
  for (const element of document.querySelectorAll("[data-stage]")) {
    const stage = new Stage(THREE, element, data.stages[element.dataset.stage].entries, data);
    await stage.open(data.stages[element.dataset.stage].first);
    stages.push(stage);
  }
  const recolour = () => stages.forEach((stage) => {
    stage.panels.forEach((panel) => panel.view.recolour());
    stage.redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) stages.forEach((stage) => stage.setPlaying(true));

  let before = document.timeline.currentTime;
  const tick = (now) => {
    // A page in the background wakes after long pauses: they do not count.
    stages.forEach((stage) => stage.advance(Math.min(Math.max(now - before, 0) / 1000, 0.1)));
    before = now;
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  document.documentElement.dataset.viewer = "ready";
}

start().catch((error) => {
  document.documentElement.dataset.viewer = "failed";
  document.querySelectorAll("[data-stage]").forEach((element) => {
    const note = document.createElement("p");
    note.className = "note";
    note.textContent = `The roll-outs cannot be shown in this browser (${error.message}). The numbers are in the tables below.`;
    element.replaceChildren(note);
  });
});
