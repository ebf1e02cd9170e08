"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const stills = find("stills");
  // On paper nothing can be opened, and a canvas may stay black: the still pictures are printed.
  let opened = true;
  addEventListener("beforeprint", () => { if (stills) { opened = stills.open; stills.open = true; } });
  addEventListener("afterprint", () => { if (stills) stills.open = opened; });
  const holder = find("viewer");
  if (!holder) return;

  function giveUp(why) {
    holder.hidden = true;
    if (stills) stills.open = true;
    const said = find("noviewer");
    said.hidden = false;
    said.textContent = `Still pictures only: ${why}.`;
    document.querySelectorAll("[data-go]").forEach((button) => { button.hidden = true; });
  }

  const data = JSON.parse(find("data").textContent);
  const hasWebGL = (() => {
    try { return Boolean(document.createElement("canvas").getContext("webgl2")); } catch { return false; }
  })();
  if (!hasWebGL || !window.niivue) {
    giveUp("this browser gives the page no WebGL 2, which the viewer draws with");
    return;
  }

  function palette(shown) {
    const map = { R: [0], G: [0], B: [0], A: [0], I: [0], labels: data.names };
    data.colours.forEach(([r, g, b], index) => {
      map.R.push(r); map.G.push(g); map.B.push(b); map.I.push(index + 1);
      map.A.push(shown.has(index + 1) ? 255 : 0);
    });
    return map;
  }

  // Lengths are drawn as tubes between two points.
  function tubes() {
    const nodes = [], edges = [];
    Object.values(data.lines).forEach((ends, index) => {
      ends.forEach(([x, y, z]) => nodes.push({ name: "", x, y, z, colorValue: 1, sizeValue: 1 }));
      edges.push({ first: 2 * index, second: 2 * index + 1, colorValue: 1 });
    });
    return {
      name: "lengths", nodeColormap: "lengths", nodeColormapNegative: "lengths", nodeMinColor: 0, nodeMaxColor: 1,
      nodeScale: 1.1, edgeColormap: "lengths", edgeColormapNegative: "lengths", edgeMin: 0, edgeMax: 1, edgeScale: 0.5,
      showLegend: false, nodes, edges,
    };
  }

  function show([x, y, z]) {
    const to = data.toFile.map((row) => row[0] * x + row[1] * y + row[2] * z + row[3]);
    const words = (values) => values.map((v) => v.toFixed(1).replace("-", "−")).join(", ");
    return `Crosshair: ${words([x, y, z])} mm right, anterior, superior of the brain's centre · in the file: ${words(to)} mm RAS`;
  }

  async function start() {
    holder.hidden = false;
    const viewer = new niivue.Niivue({
      backColor: [0, 0, 0, 1], crosshairColor: [0.35, 0.85, 1, 0.8], crosshairWidth: 0.4, crosshairGap: 4,
      isRadiologicalConvention: data.radiological, isOrientationTextVisible: data.sides, show3Dcrosshair: true,
      multiplanarShowRender: niivue.SHOW_RENDER.NEVER, multiplanarLayout: niivue.MULTIPLANAR_TYPE.AUTO,
      isColorbar: false, dragAndDropEnabled: false, meshThicknessOn2D: 3, meshXRay: 0.4, logLevel: "silent",
      loadingText: "", showLegend: false,
    });
    viewer.onLocationChange = (where) => {
      const label = viewer.volumes[1]?.getValue(...where.vox) ?? 0;
      find("where").textContent = `${show(where.mm)}${label ? ` · ${data.names[label]}` : ""}`;
    };
    await viewer.attachToCanvas(find("canvas"), false);
    const load = async (id, options) =>
      viewer.addVolume(await niivue.NVImage.loadFromBase64({ base64: find(id).textContent, name: `${id}.nii.gz`, ...options }));
    await load("image", { colormap: "gray", cal_min: 0, cal_max: 255 });
    await load("labels", { opacity: 0.35 });
    const shown = new Set(data.colours.map((_, index) => index + 1));
    const colour = () => { viewer.volumes[1].setColormapLabel(palette(shown)); viewer.updateGLVolume(); };
    colour();
    viewer.addColormap("lengths", { R: [255, 255], G: [255, 255], B: [255, 255], A: [255, 255], I: [0, 255] });
    const mesh = Object.keys(data.lines).length ? viewer.loadConnectomeAsMesh(tubes()) : null;
    if (mesh) { viewer.addMesh(mesh); viewer.setMeshShader(mesh.id, "Flat"); }
    const go = (point) => { viewer.scene.crosshairPos = viewer.mm2frac(point); viewer.createOnLocationChange(); viewer.drawScene(); };
    go(data.middle);

    document.querySelectorAll("[data-view]").forEach((button) => button.addEventListener("click", () => {
      viewer.setSliceType(Number(button.dataset.view));
      document.querySelectorAll("[data-view]").forEach((b) => b.setAttribute("aria-pressed", String(b === button)));
    }));
    document.querySelectorAll("[data-tissue]").forEach((box) => box.addEventListener("change", () => {
      shown[box.checked ? "add" : "delete"](Number(box.dataset.tissue));
      colour();
    }));
    // In one plane the arrows scroll through it; in three they move the crosshair as the planes are shown.
    const left = data.radiological ? 1 : -1;
    const steps = {
      ArrowUp: [0, 0, 1], ArrowDown: [0, 0, -1], ArrowLeft: [left, 0, 0], ArrowRight: [-left, 0, 0],
      PageUp: [0, 1, 0], PageDown: [0, -1, 0],
    };
    const across = { 0: [0, 0, 1], 1: [0, 1, 0], 2: [1, 0, 0] };
    find("canvas").addEventListener("keydown", (event) => {
      let step = steps[event.key];
      if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
      const single = across[viewer.opts.sliceType];
      if (single) step = single.map((n) => n * (event.key === "ArrowUp" || event.key === "ArrowRight" || event.key === "PageUp" ? 1 : -1));
      viewer.moveCrosshairInVox(...step);
      event.preventDefault();
      event.stopImmediatePropagation();
    }, true);

    find("opacity").addEventListener("input", (event) => viewer.setOpacity(1, Number(event.target.value) / 100));
    find("outline").addEventListener("change", (event) => {
      // Outlines are for seeing what lies under them.
      find("opacity").value = event.target.checked ? 10 : 35;
      viewer.setOpacity(1, Number(find("opacity").value) / 100);
      viewer.setAtlasOutline(event.target.checked ? 1 : 0);
    });
    find("lines").addEventListener("change", (event) => {
      if (mesh) viewer.setMeshProperty(mesh.id, "visible", event.target.checked);
    });
    document.querySelectorAll("[data-go]").forEach((button) => button.addEventListener("click", () => {
      const [a, b] = data.lines[button.dataset.go];
      go(a.map((v, axis) => (v + b[axis]) / 2));
      holder.scrollIntoView({ block: "nearest" });
      find("canvas").focus({ preventScroll: true });
    }));
    if (stills) stills.open = false;
    document.documentElement.dataset.viewer = "ready";
  }

  start().catch((error) => giveUp(`the viewer failed here (${error && error.message ? error.message : error})`));
})();
