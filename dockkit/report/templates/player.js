/* Wild type and mutant side by side, frame by frame: backbone tube, ligand and near side chains on two 2-D canvases that
   turn together. No WebGL, no library, no network. */
(function () {
  "use strict";
  const source = document.getElementById("player-data");
  const $ = (id) => document.getElementById(id);
  if (!source || !$("player-wild")) return;
  const data = JSON.parse(source.textContent);
  const views = ["wild", "mutant"].map((name) => ({ name, canvas: $("player-" + name), ctx: $("player-" + name).getContext("2d") }));
  const ELEMENT = {
    N: [72, 110, 235], O: [220, 62, 48], S: [214, 164, 20], P: [226, 130, 20], F: [88, 176, 60], Cl: [70, 170, 60],
    Br: [150, 66, 40], I: [130, 60, 170], Mg: [60, 150, 90],
  };
  const show = { leg: 0, frame: 0, play: false, labels: true, trail: false };
  let rotation = null, zoom = 1, colour = {}, last = 0;

  function unpack(state) {
    if (state.frames) return state;
    const raw = atob(state.xyz), bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    const all = Float32Array.from(new Int16Array(bytes.buffer), (v) => v / data.scale);
    const size = all.length / state.when.length;
    state.frames = state.when.map((_, k) => all.subarray(k * size, (k + 1) * size));
    return state;
  }
  function readTheme() {
    const style = getComputedStyle(document.documentElement);
    const get = (name, fallback) => {
      const m = /^#([0-9a-f]{6})$/i.exec(style.getPropertyValue(name).trim());
      return m ? [0, 2, 4].map((i) => parseInt(m[1].substr(i, 2), 16)) : fallback;
    };
    colour = {
      background: get("--scene", [255, 255, 255]), ink: get("--ink", [20, 24, 30]), wild: get("--wild", [0, 114, 179]),
      mutant: get("--mutant", [213, 94, 0]), carbon: get("--scene-carbon", [150, 156, 164]), tube: get("--scene-tube", [205, 210, 217]),
    };
  }
  const mix = (a, b, t) => "rgb(" + [0, 1, 2].map((i) => Math.round(a[i] + (b[i] - a[i]) * t)).join() + ")";

  function project(points, width, height) {
    const out = new Float32Array(points.length), R = rotation, scale = Math.min(width, height) / 27 * zoom;
    for (let i = 0; i < points.length; i += 3) {
      const x = points[i], y = points[i + 1], z = points[i + 2], depth = R[6] * x + R[7] * y + R[8] * z;
      const s = scale * 75 / Math.max(75 - depth, 5);
      out[i] = width / 2 + (R[0] * x + R[1] * y + R[2] * z) * s;
      out[i + 1] = height / 2 - (R[3] * x + R[4] * y + R[5] * z) * s;
      out[i + 2] = depth;
    }
    return { at: out, scale };
  }
  function items(leg, state, name, frame) {
    const list = [], trace = state.trace, sticks = state.sticks.length, own = colour[name], xyz = frame;
    for (let i = 0; i + 1 < trace; i++) {
      if (state.segments[i] !== state.segments[i + 1]) continue;
      const gap = Math.hypot(xyz[3 * i] - xyz[3 * i + 3], xyz[3 * i + 1] - xyz[3 * i + 4], xyz[3 * i + 2] - xyz[3 * i + 5]);
      if (gap < 4.6) list.push([i, i + 1, state.kind[i] === "c" ? 0.22 : 0.4, colour.tube]);
    }
    const add = (a, b, first, second, width) => list.push([a, b, width, first, second]);
    const tone = (element, carbon) => ELEMENT[element] || carbon;
    for (let k = 0; k < state.bonds.length; k += 2) {
      const i = state.bonds[k], j = state.bonds[k + 1];
      const site = state.site[i] && state.site[j], carbon = site ? own : colour.carbon;
      add(trace + i, trace + j, tone(state.sticks[i], carbon), tone(state.sticks[j], carbon), site ? 0.2 : 0.11);
    }
    const start = trace + sticks;
    for (let k = 0; k < leg.ligand_bonds.length; k += 2) {
      const i = leg.ligand_bonds[k], j = leg.ligand_bonds[k + 1];
      add(start + i, start + j, tone(leg.ligand[i], own), tone(leg.ligand[j], own), 0.19);
    }
    leg.ligand.forEach((element, i) => {
      if (["Mg", "Cl", "Br", "I", "F"].includes(element)) list.push([start + i, start + i, 0.5, tone(element, own)]);
    });
    return list;
  }
  function ghosts(ctx, leg, state, name, width, height) {
    const start = state.trace + state.sticks.length;
    ctx.globalAlpha = 0.12;
    ctx.strokeStyle = mix(colour[name], colour.background, 0);
    ctx.lineWidth = 1.4;
    for (const frame of state.frames) {
      const { at } = project(frame, width, height);
      ctx.beginPath();
      for (let k = 0; k < leg.ligand_bonds.length; k += 2) {
        const i = 3 * (start + leg.ligand_bonds[k]), j = 3 * (start + leg.ligand_bonds[k + 1]);
        ctx.moveTo(at[i], at[i + 1]);
        ctx.lineTo(at[j], at[j + 1]);
      }
      ctx.stroke();
    }
    ctx.globalAlpha = 1;
  }
  function draw() {
    const leg = data.legs[show.leg];
    for (const view of views) {
      const { ctx, canvas, name } = view, ratio = window.devicePixelRatio || 1;
      const width = canvas.clientWidth, height = canvas.clientHeight;
      if (canvas.width !== Math.round(width * ratio)) { canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio); }
      ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
      ctx.fillStyle = mix(colour.background, colour.background, 0);
      ctx.fillRect(0, 0, width, height);
      const state = unpack(leg[name]), k = Math.min(show.frame, state.frames.length - 1), frame = state.frames[k];
      const { at, scale } = project(frame, width, height);
      if (show.trail) ghosts(ctx, leg, state, name, width, height);
      const list = items(leg, state, name, frame).map((item) => [(at[3 * item[0] + 2] + at[3 * item[1] + 2]) / 2, item]);
      list.sort((a, b) => a[0] - b[0]);
      for (const [depth, [a, b, radius, first, second]] of list) {
        if (depth > 14) continue;
        const fog = Math.min(0.85, Math.max(0, (6 - depth) / 26)), wide = Math.max(1, 2 * radius * scale * 75 / Math.max(75 - depth, 5));
        const x1 = at[3 * a], y1 = at[3 * a + 1], x2 = at[3 * b], y2 = at[3 * b + 1], xm = (x1 + x2) / 2, ym = (y1 + y2) / 2;
        const line = (x, y, u, v, style, w) => {
          ctx.strokeStyle = style; ctx.lineWidth = w; ctx.lineCap = "round";
          ctx.beginPath(); ctx.moveTo(x, y); ctx.lineTo(u + (x === u && y === v ? 0.01 : 0), v); ctx.stroke();
        };
        line(x1, y1, x2, y2, mix(mix3(first), colour.background, fog), wide + 1.4);
        line(x1, y1, xm, ym, mix(first, colour.background, fog), wide);
        line(xm, ym, x2, y2, mix(second || first, colour.background, fog), wide);
      }
      if (show.labels) for (const [i, text] of state.labels) {
        const p = 3 * (state.trace + i);
        ctx.font = "700 14px system-ui, sans-serif";
        ctx.textAlign = "center";
        ctx.lineWidth = 4;
        ctx.strokeStyle = mix(colour.background, colour.background, 0);
        ctx.strokeText(text, at[p], at[p + 1] - 10);
        ctx.fillStyle = mix(colour[name], colour.ink, 0.15);
        ctx.fillText(text, at[p], at[p + 1] - 10);
      }
      const [replica, time] = state.when[k];
      $("player-" + name + "-when").textContent = "replica " + replica + ", " + time.toFixed(time < 10 ? 2 : 0) + " ps";
      canvas.setAttribute("aria-label", (name === "wild" ? "Wild type" : "Mutant") + " with " + leg.name + ", replica " + replica + " at " + time + " ps");
    }
    $("player-frame").value = String(show.frame);
  }
  const mix3 = (c) => c.map((v) => Math.round(v * 0.45));
  let pending = false;
  function redraw() {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => { pending = false; draw(); });
  }
  function choose(index) {
    show.leg = index;
    const leg = data.legs[index];
    rotation = leg.rotation.slice();
    const most = Math.max(leg.wild.when.length, leg.mutant.when.length) - 1;
    $("player-frame").max = String(most);
    show.frame = Math.min(show.frame, most);
    redraw();
  }
  function turn(ax, ay) {
    const cx = Math.cos(ax), sx = Math.sin(ax), cy = Math.cos(ay), sy = Math.sin(ay), R = rotation;
    const M = [cy, 0, sy, sx * sy, cx, -sx * cy, -cx * sy, sx, cx * cy], out = [];
    for (let i = 0; i < 3; i++) for (let j = 0; j < 3; j++)
      out.push(M[3 * i] * R[j] + M[3 * i + 1] * R[3 + j] + M[3 * i + 2] * R[6 + j]);
    rotation = out;
    redraw();
  }
  function step(by) {
    const most = Number($("player-frame").max) + 1;
    show.frame = (show.frame + by + most) % most;
    redraw();
  }
  for (const { canvas } of views) {
    let held = null;
    canvas.addEventListener("pointerdown", (e) => { canvas.setPointerCapture(e.pointerId); held = [e.clientX, e.clientY]; });
    canvas.addEventListener("pointermove", (e) => {
      if (!held) return;
      turn((e.clientY - held[1]) * 0.008, (e.clientX - held[0]) * 0.008);
      held = [e.clientX, e.clientY];
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { held = null; });
    canvas.addEventListener("wheel", (e) => {
      if (document.activeElement !== canvas && !e.ctrlKey) return;
      e.preventDefault();
      zoom = Math.min(6, Math.max(0.35, zoom * Math.exp(-e.deltaY * 0.0015)));
      redraw();
    }, { passive: false });
    canvas.addEventListener("keydown", (e) => {
      const keys = {
        ArrowLeft: () => turn(0, -0.12), ArrowRight: () => turn(0, 0.12), ArrowUp: () => turn(-0.12, 0), ArrowDown: () => turn(0.12, 0),
        "+": () => { zoom = Math.min(6, zoom * 1.15); redraw(); }, "-": () => { zoom = Math.max(0.35, zoom / 1.15); redraw(); },
        ",": () => step(-1), ".": () => step(1),
      };
      if (keys[e.key] && !e.ctrlKey && !e.metaKey) { e.preventDefault(); keys[e.key](); }
    });
  }
  function run(now) {
    if (!show.play) return;
    if (now - last > 110) { last = now; step(1); }
    requestAnimationFrame(run);
  }
  $("player-play").addEventListener("click", () => {
    show.play = !show.play;
    $("player-play").textContent = show.play ? "Pause" : "Play";
    $("player-play").setAttribute("aria-pressed", String(show.play));
    if (show.play) requestAnimationFrame(run);
  });
  $("player-frame").addEventListener("input", (e) => { show.frame = Number(e.target.value); redraw(); });
  $("player-leg").addEventListener("change", (e) => choose(Number(e.target.value)));
  $("player-labels").addEventListener("change", (e) => { show.labels = e.target.checked; redraw(); });
  $("player-trail").addEventListener("change", (e) => { show.trail = e.target.checked; redraw(); });
  $("player-reset").addEventListener("click", () => { zoom = 1; choose(show.leg); });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readTheme(); redraw(); });
  window.addEventListener("resize", redraw);
  readTheme();
  choose(0);
})();
