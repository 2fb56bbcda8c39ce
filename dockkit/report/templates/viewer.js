/* A small molecular viewer: shaded sticks, balls and a backbone tube, painted back to front on a 2-D canvas.
   No WebGL, no library, no network: it works wherever a canvas does. */
(function () {
  "use strict";
  const source = document.getElementById("scene-data");
  const canvas = document.getElementById("scene");
  if (!source || !canvas || !canvas.getContext) return;
  const scene = JSON.parse(source.textContent);
  const ctx = canvas.getContext("2d");
  const $ = (id) => document.getElementById(id);

  // ---------------------------------------------------------------- data
  function bytes(text) {
    const raw = atob(text), out = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
    return out.buffer;
  }
  const coordinates = (text) => Float32Array.from(new Int16Array(bytes(text)), (v) => v / scene.scale);
  const indices = (text) => new Uint16Array(bytes(text));
  scene.traces.forEach((t) => { t.points = coordinates(t.xyz); });
  scene.ligands.forEach((l) => { l.pairs = indices(l.bonds); });
  function unpack(state) {
    if (state.ready) return state;
    state.lig = coordinates(state.ligand);
    state.pos = coordinates(state.xyz);
    state.res = indices(state.residue);
    state.pairs = indices(state.bonds);
    state.el = state.elements ? state.elements.split(" ") : [];
    state.atom = state.names ? state.names.split(" ") : [];
    state.ready = true;
    return state;
  }

  // ---------------------------------------------------------------- colours
  const ELEMENT = {
    N: [72, 110, 235], O: [220, 62, 48], S: [214, 164, 20], P: [226, 130, 20], F: [88, 176, 60], Cl: [70, 170, 60],
    Br: [150, 66, 40], I: [130, 60, 170], Mg: [60, 150, 90],
  };
  let colour = {};
  function parse(text, fallback) {
    const m = /^#([0-9a-f]{6})$/i.exec(text.trim());
    return m ? [0, 2, 4].map((i) => parseInt(m[1].substr(i, 2), 16)) : fallback;
  }
  function readTheme() {
    const style = getComputedStyle(document.documentElement);
    const get = (name, fallback) => parse(style.getPropertyValue(name), fallback);
    colour = {
      background: get("--scene", [255, 255, 255]), ink: get("--ink", [20, 24, 30]),
      wild: get("--wild", [0, 114, 179]), mutant: get("--mutant", [213, 94, 0]),
      carbon: get("--scene-carbon", [150, 156, 164]), hot: get("--scene-hot", [190, 50, 0]), tube: get("--scene-tube", [205, 210, 217]),
      hinge: get("--scene-hinge", [0, 158, 115]), dfg: get("--scene-dfg", [204, 121, 167]),
      "alpha-c": get("--scene-alpha-c", [230, 159, 0]),
    };
    sprites.clear();
  }
  const mix = (a, b, t) => [0, 1, 2].map((i) => Math.round(a[i] + (b[i] - a[i]) * t));
  const css = (c) => "rgb(" + c[0] + "," + c[1] + "," + c[2] + ")";
  const LEVELS = 20, sprites = new Map(), shades = new Map();
  function shade(base, level) {
    const key = base.join() + "/" + level + "/" + colour.background.join();
    let item = shades.get(key);
    if (!item) {
      const t = (1 - level / LEVELS) * 0.82;
      item = {
        main: css(mix(base, colour.background, t)),
        edge: css(mix(mix(base, [0, 0, 0], 0.55), colour.background, t)),
        shine: css(mix(mix(base, [255, 255, 255], 0.55), colour.background, t)),
      };
      shades.set(key, item);
    }
    return item;
  }
  function sprite(base, level) {
    const key = base.join() + "/" + level;
    let item = sprites.get(key);
    if (!item) {
      item = document.createElement("canvas");
      item.width = item.height = 64;
      const c = item.getContext("2d"), tone = shade(base, level);
      const gradient = c.createRadialGradient(24, 22, 2, 32, 32, 31);
      gradient.addColorStop(0, tone.shine);
      gradient.addColorStop(0.38, tone.main);
      gradient.addColorStop(0.86, tone.main);
      gradient.addColorStop(1, tone.edge);
      c.fillStyle = gradient;
      c.beginPath();
      c.arc(32, 32, 31, 0, 2 * Math.PI);
      c.fill();
      sprites.set(key, item);
    }
    return item;
  }

  // ---------------------------------------------------------------- what is shown
  const show = { view: 0, mode: scene.single ? "wild" : "both", wide: false, labels: true, spin: false };
  let points, items, labels, picks, centre;
  let rotation = scene.rotation.slice(), zoom = 1, width = 0, height = 0, ratio = 1, projected, pending = false;
  const startZoom = 1;

  function addPoint(x, y, z) {
    points.push(x, y, z);
    return points.length / 3 - 1;
  }
  function moved(a, b) {
    const seen = new Map();
    const out = { wild: new Set(), mutant: new Set() };
    a.res.forEach((r, i) => seen.set(a.labels[r] + " " + a.atom[i], i));
    b.res.forEach((r, i) => {
      const j = seen.get(b.labels[r] + " " + b.atom[i]);
      if (j === undefined) { out.mutant.add(r); return; }
      let d = 0;
      for (let k = 0; k < 3; k++) d += (a.pos[3 * j + k] - b.pos[3 * i + k]) ** 2;
      if (d > 0.16) { out.wild.add(a.res[j]); out.mutant.add(r); }
    });
    return out;
  }
  function addSticks(state, pos, pairs, base, radius, ball, tone, keep, front) {
    const index = new Map();
    const point = (i) => {
      if (!index.has(i)) {
        index.set(i, addPoint(pos[3 * i], pos[3 * i + 1], pos[3 * i + 2]));
        items.push({ kind: 1, a: index.get(i), r: ball, c: tone(i), front });
      }
      return index.get(i);
    };
    for (let i = 0; i < pos.length / 3; i++) if (keep(i)) point(i);
    for (let k = 0; k < pairs.length; k += 2) {
      const i = pairs[k], j = pairs[k + 1];
      if (!keep(i) || !keep(j)) continue;
      const a = point(i), b = point(j);
      const m = addPoint(...[0, 1, 2].map((d) => (pos[3 * i + d] + pos[3 * j + d]) / 2));
      items.push({ kind: 0, a, b: m, r: radius, c: tone(i), front }, { kind: 0, a: b, b: m, r: radius, c: tone(j), front });
    }
    return index;
  }
  function addTrace(trace) {
    const n = trace.points.length / 3, p = trace.points;
    const at = (i, d) => p[3 * i + d];
    const joined = (i) => i >= 0 && i + 1 < n && trace.segments[i] === trace.segments[i + 1] &&
      Math.hypot(at(i, 0) - at(i + 1, 0), at(i, 1) - at(i + 1, 1), at(i, 2) - at(i + 1, 2)) < 4.6;
    const knot = [];
    for (let i = 0; i < n; i++) {
      const flat = trace.kind[i] === "e" && joined(i - 1) && joined(i);
      knot.push([0, 1, 2].map((d) => flat ? (at(i - 1, d) + 2 * at(i, d) + at(i + 1, d)) / 4 : at(i, d)));
    }
    for (let i = 0; i < n - 1; i++) {
      if (!joined(i)) continue;
      const a = knot[joined(i - 1) ? i - 1 : i], b = knot[i], c = knot[i + 1], e = knot[joined(i + 1) ? i + 2 : i + 1];
      let last = addPoint(...b);
      const steps = 5;
      for (let s = 1; s <= steps; s++) {
        const t = s / steps, t2 = t * t, t3 = t2 * t;
        const next = addPoint(...[0, 1, 2].map((d) => 0.5 * (2 * b[d] + (c[d] - a[d]) * t +
          (2 * a[d] - 5 * b[d] + 4 * c[d] - e[d]) * t2 + (3 * b[d] - a[d] - 3 * c[d] + e[d]) * t3)));
        const k = t <= 0.5 ? i : i + 1;
        const r = trace.kind[k] === "c" ? 0.2 : 0.38;
        items.push({ kind: 2, a: last, b: next, r, c: colour[trace.part[k]] || colour.tube });
        last = next;
      }
    }
  }
  function addState(view, name, both, difference) {
    const state = unpack(view.states[name]), ligand = scene.ligands[view.ligand];
    const own = colour[name];
    const hidden = (r) => both && name === "mutant" && !state.site[r] && !difference.mutant.has(r);
    const keep = (i) => {
      const r = state.res[i];
      return (show.wide || state.near[r] || state.site[r]) && !hidden(r);
    };
    const warmth = (r) => state.heat && state.heat[r] >= 0 ? mix(colour.carbon, colour.hot, Math.min(1, 0.15 + state.heat[r])) : null;
    const carbon = (r) => warmth(r) ? warmth(r) : state.site[r] ? own : both && difference[name].has(r) ? mix(own, colour.carbon, 0.6) : colour.carbon;
    const tone = (i) => ELEMENT[state.el[i]] || carbon(state.res[i]);
    const index = new Map();
    for (const site of [0, 1]) {
      const part = addSticks(state, state.pos, state.pairs, null, site ? 0.2 : 0.11, site ? 0.32 : 0.12, tone,
        (i) => state.site[state.res[i]] === site && keep(i), site === 1);
      part.forEach((v, k) => index.set(k, v));
    }
    // bonds that join a mutated residue to its neighbours in sequence
    for (let k = 0; k < state.pairs.length; k += 2) {
      const i = state.pairs[k], j = state.pairs[k + 1];
      if (state.site[state.res[i]] !== state.site[state.res[j]] && index.has(i) && index.has(j))
        items.push({ kind: 0, a: index.get(i), b: index.get(j), r: 0.11, c: colour.carbon });
    }
    const lig = addSticks(state, state.lig, ligand.pairs, null, 0.17, 0.27, (i) => ELEMENT[ligand.elements[i]] || own, () => true, true);
    state.hbonds.forEach(([a, b]) => {
      if (index.has(a) && lig.has(b)) items.push({ kind: 3, a: index.get(a), b: lig.get(b), r: 0.05, c: own, front: true });
    });
    const sum = new Map();
    index.forEach((p, i) => {
      const r = state.res[i];
      picks.push({ p, text: state.labels[r] + " " + state.atom[i] + (both ? (name === "wild" ? " (wild type)" : " (mutant)") : "") });
      if (state.atom[i] === "CA" || !sum.has(r)) sum.set(r, p);
    });
    lig.forEach((p, i) => picks.push({ p, text: view.name + " " + ligand.elements[i] }));
    sum.forEach((p, r) => {
      if (state.site[r]) labels.push({ p, text: state.labels[r], c: warmth(r) || own, strong: true, below: name === "mutant" });
      else if (state.marks[r] && name !== (both ? "mutant" : ""))
        labels.push({ p, text: state.marks[r] + " " + state.labels[r], c: colour.ink });
    });
    return state;
  }
  function build() {
    const view = scene.views[show.view];
    points = []; items = []; labels = []; picks = [];
    const both = show.mode === "both";
    const difference = both ? moved(unpack(view.states.wild), unpack(view.states.mutant)) : { wild: new Set(), mutant: new Set() };
    addTrace(scene.traces[view.states[show.mode === "mutant" ? "mutant" : "wild"].trace]);
    for (const name of ["wild", "mutant"]) if (both || show.mode === name) addState(view, name, both, difference);
    const w = unpack(view.states.wild), sites = [];
    const aside = scene.single ? 0 : 0.3;
    centre = [0, 0, 0];
    let count = 0;
    for (let i = 0; i < w.lig.length; i += 3) { for (let d = 0; d < 3; d++) centre[d] += w.lig[i + d]; count++; }
    centre = centre.map((v) => v / Math.max(count, 1));
    w.res.forEach((r, i) => { if (w.site[r]) sites.push(i); });
    if (sites.length) for (let d = 0; d < 3; d++) {
      const mean = sites.reduce((s, i) => s + w.pos[3 * i + d], 0) / sites.length;
      centre[d] = (1 - aside) * centre[d] + aside * mean;
    }
    points = Float32Array.from(points);
    projected = new Float32Array(points.length);
    describe(view);
    draw();
  }
  function bondText(view, name) {
    const state = unpack(view.states[name]), ligand = scene.ligands[view.ligand];
    const list = state.hbonds.map(([a, b]) => state.labels[state.res[a]] + " " + state.atom[a] + " to ligand " + ligand.elements[b]);
    return list.length ? Array.from(new Set(list)).join(", ") : "none found";
  }
  function describe(view) {
    if (scene.single) {
      $("scene-bonds").textContent = "Hydrogen bonds of " + view.name + ": " + bondText(view, "wild") + ".";
      canvas.setAttribute("aria-label", "3-D view of " + view.name + " in the pocket, residues coloured by hot spot");
      return;
    }
    $("scene-bonds").textContent = "Hydrogen bonds of " + view.name + ". Wild type: " + bondText(view, "wild") +
      ". " + view.mutation + ": " + bondText(view, "mutant") + ".";
    canvas.setAttribute("aria-label", "3-D view of " + view.name + " in the pocket, " +
      (show.mode === "both" ? "wild type and " + view.mutation + " superposed" : show.mode === "wild" ? "wild type" : view.mutation));
    document.querySelectorAll("[data-view]").forEach((b) => b.setAttribute("aria-pressed", String(b.dataset.view === view.id)));
  }

  // ---------------------------------------------------------------- drawing
  const DISTANCE = 75, FRONT = 11, BACK = -20;
  function project() {
    const scale = Math.min(width, height) / 25 * zoom, R = rotation;
    for (let i = 0; i < points.length; i += 3) {
      const x = points[i] - centre[0], y = points[i + 1] - centre[1], z = points[i + 2] - centre[2];
      const depth = R[6] * x + R[7] * y + R[8] * z;
      const s = scale * DISTANCE / Math.max(DISTANCE - depth, 5);
      projected[i] = width / 2 + (R[0] * x + R[1] * y + R[2] * z) * s;
      projected[i + 1] = height / 2 - (R[3] * x + R[4] * y + R[5] * z) * s;
      projected[i + 2] = depth;
    }
    return scale;
  }
  function stick(item, x1, y1, x2, y2, w, tone) {
    ctx.lineCap = "butt";
    ctx.strokeStyle = tone.edge;
    ctx.lineWidth = w + 1.3;
    line(x1, y1, x2, y2);
    if (item.kind === 2) ctx.lineCap = "round";
    ctx.strokeStyle = tone.main;
    ctx.lineWidth = w;
    line(x1, y1, x2, y2);
    if (w > 3 && item.kind === 0) {
      const dx = x2 - x1, dy = y2 - y1, n = Math.hypot(dx, dy) || 1;
      let nx = -dy / n, ny = dx / n;
      if (nx + ny > 0) { nx = -nx; ny = -ny; }
      ctx.strokeStyle = tone.shine;
      ctx.lineWidth = w * 0.22;
      line(x1 + nx * w * 0.2, y1 + ny * w * 0.2, x2 + nx * w * 0.2, y2 + ny * w * 0.2);
    }
  }
  function line(x1, y1, x2, y2) {
    ctx.beginPath();
    ctx.moveTo(x1, y1);
    ctx.lineTo(x2, y2);
    ctx.stroke();
  }
  function draw() {
    pending = false;
    if (!points || !width) return;
    const scale = project(), q = projected;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.fillStyle = css(colour.background);
    ctx.fillRect(0, 0, width, height);
    const order = [];
    for (const item of items) {
      const z = item.kind === 1 ? q[3 * item.a + 2] + item.r * 0.4 : (q[3 * item.a + 2] + q[3 * item.b + 2]) / 2;
      if (z > FRONT && !item.front) continue;
      if (item.kind === 2 && z > 6) continue;
      item.z = z;
      order.push(item);
    }
    order.sort((a, b) => a.z - b.z);
    for (const item of order) {
      const level = Math.round(LEVELS * Math.min(1, Math.max(0, (item.z - BACK) / (FRONT - 5 - BACK))));
      const a = 3 * item.a, s = scale * DISTANCE / Math.max(DISTANCE - item.z, 5), r = item.r * s;
      if (item.kind === 1) {
        ctx.drawImage(sprite(item.c, level), q[a] - r, q[a + 1] - r, 2 * r, 2 * r);
        continue;
      }
      const b = 3 * item.b;
      if (item.kind === 3) {
        ctx.setLineDash([5, 4]);
        ctx.lineCap = "butt";
        ctx.strokeStyle = shade(item.c, LEVELS).main;
        ctx.lineWidth = 2;
        line(q[a], q[a + 1], q[b], q[b + 1]);
        ctx.setLineDash([]);
      } else stick(item, q[a], q[a + 1], q[b], q[b + 1], Math.max(2 * r, 0.8), shade(item.c, level));
    }
    if (show.labels) drawLabels();
  }
  function drawLabels() {
    ctx.textAlign = "center";
    ctx.lineJoin = "round";
    const boxes = [];
    for (const item of labels.slice().sort((a, b) => Number(b.strong || 0) - Number(a.strong || 0))) {
      const x = projected[3 * item.p], depth = projected[3 * item.p + 2];
      let y = projected[3 * item.p + 1] + (item.below ? 18 : -10);
      if (depth > FRONT || depth < BACK + 4) continue;
      ctx.font = (item.strong ? "700 15px " : "600 12px ") + "system-ui, sans-serif";
      const half = ctx.measureText(item.text).width / 2;
      if (boxes.some((b) => Math.abs(b.x - x) < b.half + half && Math.abs(b.y - y) < 15)) {
        if (!item.strong) continue;
        y += 17;
      }
      boxes.push({ x, y, half });
      ctx.lineWidth = 4;
      ctx.strokeStyle = css(colour.background);
      ctx.strokeText(item.text, x, y);
      ctx.fillStyle = css(item.c);
      ctx.fillText(item.text, x, y);
    }
  }
  function redraw() {
    if (!pending) { pending = true; requestAnimationFrame(draw); }
  }
  function resize() {
    const box = canvas.getBoundingClientRect();
    ratio = Math.min(window.devicePixelRatio || 1, 2);
    width = box.width; height = box.height;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    draw();
  }

  // ---------------------------------------------------------------- control
  function turn(ax, ay) {
    const cx = Math.cos(ax), sx = Math.sin(ax), cy = Math.cos(ay), sy = Math.sin(ay), R = rotation;
    const M = [cy, 0, sy, sx * sy, cx, -sx * cy, -cx * sy, sx, cx * cy];
    const out = [];
    for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++)
      out.push(M[3 * i] * R[j] + M[3 * i + 1] * R[3 + j] + M[3 * i + 2] * R[6 + j]);
    rotation = out;
    redraw();
  }
  function setZoom(value) { zoom = Math.min(6, Math.max(0.35, value)); redraw(); }
  function reset() { rotation = scene.rotation.slice(); setZoom(startZoom); }
  const held = new Map();
  let pinch = 0;
  canvas.addEventListener("pointerdown", (e) => {
    canvas.setPointerCapture(e.pointerId);
    held.set(e.pointerId, [e.clientX, e.clientY]);
    pinch = 0;
    $("scene-tip").hidden = true;
  });
  canvas.addEventListener("pointermove", (e) => {
    if (!held.has(e.pointerId)) { if (e.pointerType === "mouse") pick(e); return; }
    const [x, y] = held.get(e.pointerId);
    held.set(e.pointerId, [e.clientX, e.clientY]);
    if (held.size === 2) {
      const [p, q] = Array.from(held.values());
      const span = Math.hypot(p[0] - q[0], p[1] - q[1]);
      if (pinch) setZoom(zoom * span / pinch);
      pinch = span;
    } else turn((e.clientY - y) * 0.008, (e.clientX - x) * 0.008);
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (e) => { held.delete(e.pointerId); pinch = 0; });
  canvas.addEventListener("pointerleave", () => { $("scene-tip").hidden = true; });
  canvas.addEventListener("wheel", (e) => {
    if (document.activeElement !== canvas && !e.ctrlKey) return;
    e.preventDefault();
    setZoom(zoom * Math.exp(-e.deltaY * 0.0015));
  }, { passive: false });
  canvas.addEventListener("keydown", (e) => {
    const step = 0.12;
    const keys = {
      ArrowLeft: () => turn(0, -step), ArrowRight: () => turn(0, step), ArrowUp: () => turn(-step, 0), ArrowDown: () => turn(step, 0),
      "+": () => setZoom(zoom * 1.15), "=": () => setZoom(zoom * 1.15), "-": () => setZoom(zoom / 1.15), r: reset, R: reset,
    };
    if (keys[e.key] && !e.ctrlKey && !e.metaKey) { e.preventDefault(); keys[e.key](); }
  });
  function pick(e) {
    const box = canvas.getBoundingClientRect(), x = e.clientX - box.left, y = e.clientY - box.top;
    let best = null, depth = -1e9;
    for (const item of picks) {
      const i = 3 * item.p;
      if (Math.hypot(projected[i] - x, projected[i + 1] - y) < 8 && projected[i + 2] > depth && projected[i + 2] < FRONT + 6) {
        best = item; depth = projected[i + 2];
      }
    }
    const tip = $("scene-tip");
    tip.hidden = !best;
    if (best) {
      tip.textContent = best.text;
      tip.style.left = Math.min(x + 14, width - 130) + "px";
      tip.style.top = y + 14 + "px";
    }
  }
  const select = $("scene-view");
  function choose(id) {
    const i = scene.views.findIndex((v) => v.id === id);
    if (i < 0) return;
    show.view = i;
    select.value = id;
    build();
  }
  select.addEventListener("change", () => choose(select.value));
  document.querySelectorAll("input[name=scene-mode]").forEach((input) => input.addEventListener("change", () => {
    show.mode = input.value;
    build();
  }));
  document.querySelectorAll("button[data-view]").forEach((button) => button.addEventListener("click", () => {
    choose(button.dataset.view);
    $("structure").scrollIntoView({ behavior: "auto" });
    canvas.focus({ preventScroll: true });
  }));
  $("scene-wide").addEventListener("change", (e) => { show.wide = e.target.checked; build(); });
  $("scene-labels").addEventListener("change", (e) => { show.labels = e.target.checked; redraw(); });
  $("scene-spin").addEventListener("change", (e) => { show.spin = e.target.checked; if (show.spin) spin(); });
  $("scene-in").addEventListener("click", () => setZoom(zoom * 1.25));
  $("scene-out").addEventListener("click", () => setZoom(zoom / 1.25));
  $("scene-reset").addEventListener("click", reset);
  $("scene-save").addEventListener("click", () => {
    const link = document.createElement("a");
    link.download = scene.views[show.view].id + ".png";
    link.href = canvas.toDataURL("image/png");
    link.click();
  });
  function spin() {
    if (!show.spin) return;
    turn(0, 0.008);
    requestAnimationFrame(spin);
  }
  function theme() { readTheme(); shades.clear(); build(); }
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", theme);
  window.addEventListener("resize", resize);
  resize();
  theme();
})();
