// One roll-out in three dimensions. Knows three.js and a scene's pieces, nothing of buttons.

const FIELD_OF_VIEW = 28; // degrees
const FLOOR_TILES = 120;
const TILE_PIXELS = 256;

/** A colour of the page's style sheet. */
function themeColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The geometry of a piece, along z as MuJoCo has it; null for what is drawn otherwise. */
function geometryOf(THREE, piece) {
  const [a, b, c] = piece.size;
  const along = (geometry) => geometry.rotateX(Math.PI / 2); // three.js has its long axes along y
  switch (piece.shape) {
    case "sphere": return new THREE.SphereGeometry(a, 32, 20);
    case "ellipsoid": return new THREE.SphereGeometry(1, 32, 20).scale(a, b, c);
    case "capsule": return along(new THREE.CapsuleGeometry(a, 2 * b, 12, 28));
    case "cylinder": return along(new THREE.CylinderGeometry(a, a, 2 * b, 36));
    case "box": return new THREE.BoxGeometry(2 * a, 2 * b, 2 * c);
    default: return null;
  }
}

function place(object, position, rotation) {
  object.position.set(...position);
  object.quaternion.set(rotation[1], rotation[2], rotation[3], rotation[0]);
}

class SceneView {
  /** Draws into `canvas`; bodies have the style sheet's colour `bodyColour`. */
  constructor(THREE, canvas, bodyColour) {
    this.THREE = THREE;
    this.canvas = canvas;
    this.bodyColour = bodyColour;
    this.renderer = new THREE.WebGLRenderer({ canvas, antialias: true });
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    this.renderer.shadowMap.enabled = true;
    this.renderer.shadowMap.type = THREE.PCFSoftShadowMap;
    this.camera = new THREE.PerspectiveCamera(FIELD_OF_VIEW, 1, 0.01, 500);
    this.camera.up.set(0, 0, 1);
    this.azimuth = -1.35; // radians from +x: nearly from the side, as most tasks run along x
    this.elevation = 0.2;
    this.zoom = 1;
    this.rollout = null;
    this.frame = 0;
    this.listenToPointer();
  }

  /** Shows a roll-out of a scene from its first frame on. */
  show(sceneRecord, rollout) {
    const THREE = this.THREE;
    this.clear();
    this.rollout = rollout;
    this.world = new THREE.Scene();
    this.links = rollout.positions.length ? Array.from({ length: rollout.num_links }, () => new THREE.Group()) : [];
    this.links.forEach((link) => this.world.add(link));
    this.follow = sceneRecord.follow;
    this.materials = { body: new THREE.MeshStandardMaterial({ roughness: 0.55 }), fixed: new THREE.MeshStandardMaterial() };
    this.floor = null;
    for (const piece of sceneRecord.pieces) this.add(piece);
    this.light();
    this.measure();
    this.recolour();
    this.draw(0);
  }

  /** Frees what the graphics card holds of the roll-out before. */
  clear() {
    this.world?.traverse((object) => {
      object.geometry?.dispose();
      object.material?.map?.dispose();
      object.material?.dispose();
      object.shadow?.dispose();
    });
  }

  add(piece) {
    if (piece.shape === "plane") {
      this.floor = this.floor ?? this.makeFloor(piece.position[2]);
      return;
    }
    const geometry = geometryOf(this.THREE, piece);
    if (!geometry) return;
    const mesh = new this.THREE.Mesh(geometry, piece.link < 0 ? this.materials.fixed : this.materials.body);
    mesh.castShadow = true;
    mesh.receiveShadow = true;
    place(mesh, piece.position, piece.rotation);
    (this.links[piece.link] ?? this.world).add(mesh);
  }

  /** A large square that moves with the camera, while its tiles stay where they are in the world. */
  makeFloor(height) {
    const THREE = this.THREE;
    const tile = document.createElement("canvas");
    tile.width = tile.height = TILE_PIXELS;
    const tiles = new THREE.CanvasTexture(tile);
    tiles.wrapS = tiles.wrapT = THREE.RepeatWrapping;
    tiles.colorSpace = THREE.SRGBColorSpace;
    tiles.anisotropy = this.renderer.capabilities.getMaxAnisotropy();
    const floor = new THREE.Mesh(new THREE.PlaneGeometry(1, 1), new THREE.MeshStandardMaterial({ roughness: 1, map: tiles }));
    floor.position.z = height;
    floor.receiveShadow = true;
    this.world.add(floor);
    return floor;
  }

  light() {
    const THREE = this.THREE;
    this.sky = new THREE.HemisphereLight(0xffffff, 0xb8bcc2, 2.4);
    this.sun = new THREE.DirectionalLight(0xffffff, 2.2);
    this.sun.castShadow = true;
    this.sun.shadow.mapSize.set(1024, 1024);
    this.sun.shadow.radius = 5;
    this.world.add(this.sky, this.sun, this.sun.target);
  }

  /** How large the body is and where the camera looks, from the first frame. */
  measure() {
    const THREE = this.THREE;
    this.pose(0);
    this.world.updateMatrixWorld(true);
    const box = new THREE.Box3();
    this.links.forEach((link) => box.expandByObject(link));
    const size = box.getSize(new THREE.Vector3());
    this.height = (box.min.z + box.max.z) / 2;
    this.middle = box.getCenter(new THREE.Vector3());
    this.radius = Math.max(size.length() / 2, 0.05);
    this.layTiles();
    const reach = 3 * this.radius;
    const shadow = this.sun.shadow.camera;
    Object.assign(shadow, { left: -reach, right: reach, top: reach, bottom: -reach, near: 0.01, far: 30 * this.radius });
    shadow.updateProjectionMatrix();
    this.world.fog = new THREE.Fog(0x000000, 10 * this.radius, 34 * this.radius);
  }

  layTiles() {
    if (!this.floor) return;
    // Tiles of a metre, or of a tenth of one below small bodies.
    this.tile = this.radius > 0.3 ? 1 : 0.1;
    this.floor.scale.setScalar(FLOOR_TILES * this.tile);
    this.floor.material.map.repeat.setScalar(FLOOR_TILES);
  }

  /** Takes the colours of the page's light or dark mode. */
  recolour() {
    if (!this.rollout) return;
    const THREE = this.THREE;
    const sky = new THREE.Color(themeColour("--scene-sky"));
    this.world.background = sky;
    this.world.fog.color.copy(sky);
    this.materials.body.color.set(themeColour(this.bodyColour));
    this.materials.fixed.color.set(themeColour("--scene-fixed"));
    if (this.floor) this.paintTile();
  }

  paintTile() {
    const tiles = this.floor.material.map;
    const pen = tiles.image.getContext("2d");
    pen.fillStyle = themeColour("--scene-floor");
    pen.fillRect(0, 0, TILE_PIXELS, TILE_PIXELS);
    pen.strokeStyle = themeColour("--scene-grid");
    pen.lineWidth = TILE_PIXELS / 64;
    pen.strokeRect(0, 0, TILE_PIXELS, TILE_PIXELS);
    tiles.needsUpdate = true;
  }

  /** Puts the links where they are at `frame`, between two stored frames too. */
  pose(frame) {
    const { positions, rotations, numFrames, num_links: numLinks } = this.rollout;
    const before = Math.min(Math.floor(frame), numFrames - 1);
    const after = Math.min(before + 1, numFrames - 1);
    const share = Math.min(frame - before, 1);
    const here = new this.THREE.Quaternion();
    this.links.forEach((link, index) => {
      const [p, q] = [3 * (before * numLinks + index), 3 * (after * numLinks + index)];
      link.position.set(...[0, 1, 2].map((axis) => (1 - share) * positions[p + axis] + share * positions[q + axis]));
      const [r, s] = [4 * (before * numLinks + index), 4 * (after * numLinks + index)];
      link.quaternion.set(rotations[r + 1], rotations[r + 2], rotations[r + 3], rotations[r]).normalize();
      here.set(rotations[s + 1], rotations[s + 2], rotations[s + 3], rotations[s]).normalize();
      link.quaternion.slerp(here, share);
    });
  }

  draw(frame) {
    if (!this.rollout) return;
    this.frame = frame;
    this.pose(frame);
    this.fit();
    const target = this.middle.clone();
    if (this.follow !== null) target.set(this.links[this.follow].position.x, this.links[this.follow].position.y, this.height);
    const distance = (1.75 * this.radius * this.zoom) / Math.tan((FIELD_OF_VIEW * Math.PI) / 360);
    const [flat, up] = [Math.cos(this.elevation) * distance, Math.sin(this.elevation) * distance];
    this.camera.position.set(target.x + flat * Math.cos(this.azimuth), target.y + flat * Math.sin(this.azimuth), target.z + up);
    this.camera.lookAt(target);
    this.sun.target.position.copy(target);
    this.sun.position.set(target.x - 3 * this.radius, target.y - 5 * this.radius, target.z + 10 * this.radius);
    if (this.floor) {
      this.floor.position.set(target.x, target.y, this.floor.position.z);
      this.floor.material.map.offset.set((target.x / this.tile) % 1, (target.y / this.tile) % 1);
    }
    this.renderer.render(this.world, this.camera);
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ratio = this.renderer.getPixelRatio();
    if (this.canvas.width !== Math.floor(width * ratio) || this.canvas.height !== Math.floor(height * ratio)) {
      this.renderer.setSize(width, height, false);
    }
    this.camera.aspect = width / Math.max(height, 1);
    this.camera.updateProjectionMatrix();
  }

  turn(aside, up) {
    this.azimuth += aside;
    this.elevation = Math.min(Math.max(this.elevation + up, 0.02), 1.5);
    this.draw(this.frame);
  }

  come(factor) {
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.3), 4);
    this.draw(this.frame);
  }

  listenToPointer() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) this.turn(-0.008 * event.movementX, 0.008 * event.movementY);
    });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && document.activeElement !== canvas) return; // the page scrolls
      event.preventDefault();
      this.come(Math.exp(0.001 * event.deltaY));
    }, { passive: false });
    const keys = {
      ArrowLeft: () => this.turn(-0.1, 0), ArrowRight: () => this.turn(0.1, 0),
      ArrowUp: () => this.turn(0, 0.1), ArrowDown: () => this.turn(0, -0.1),
      "+": () => this.come(0.9), "-": () => this.come(1.1),
    };
    canvas.addEventListener("keydown", (event) => {
      if (!keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
    });
  }
}
