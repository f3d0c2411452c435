// Questions that the tests ask of the page, each by its name.
({
  /** Whether an image is there. */
  loaded(selector) {
    return document.querySelector(selector)?.naturalWidth > 0;
  },

  /** Whether the camera shows something. */
  filmed() {
    return document.querySelector("#camera video")?.videoWidth > 0;
  },

  /** The pixels that an image shows, as one list. */
  pixels(selector) {
    const image = document.querySelector(selector);
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    return Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data);
  },

  /** How many pixels of the regions are covered. */
  covered() {
    const canvas = document.querySelector("canvas.tint");
    const copy = new OffscreenCanvas(canvas.width, canvas.height);
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.drawImage(canvas, 0, 0);
    const { data } = context.getImageData(0, 0, copy.width, copy.height);
    return data.filter((value, index) => index % 4 === 3 && value).length;
  },

  /** Hand a small picture to the page as `event` on `target`. */
  async give([event, target, name]) {
    const canvas = new OffscreenCanvas(40, 30);
    canvas.getContext("2d").fillRect(0, 0, 20, 20);
    const data = new DataTransfer();
    data.items.add(new File([await canvas.convertToBlob()], name, { type: "image/png" }));
    const make = (kind) => (kind === "paste"
      ? new ClipboardEvent(kind, { clipboardData: data, bubbles: true })
      : new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
    if (event === "drop") document.body.dispatchEvent(make("dragenter"));
    document.querySelector(target).dispatchEvent(make(event));
  },

  /** Controls without a name. */
  nameless() {
    return [...document.querySelectorAll("button, input, select, a, summary")]
      .filter((one) => one.checkVisibility())
      .filter((one) => !one.getAttribute("aria-label") && !one.textContent.trim() && !one.labels?.length)
      .map((one) => one.outerHTML);
  },

  /** [text, its colour, the colour behind it] of all that can be read, but for pictures. */
  texts() {
    const probe = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const read = (color) => {
      probe.clearRect(0, 0, 1, 1);
      probe.fillStyle = color;
      probe.fillRect(0, 0, 1, 1);
      return [...probe.getImageData(0, 0, 1, 1).data];
    };
    const behind = (one) => {
      const color = read(getComputedStyle(one).backgroundColor);
      return color[3] === 255 ? color : behind(one.parentElement);
    };
    const apart = ".wall, .hang, .spoken, noscript, :disabled";
    const visible = { opacityProperty: true, visibilityProperty: true };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
      const text = walker.currentNode.textContent.trim();
      const one = walker.currentNode.parentElement;
      if (!text || !one.checkVisibility(visible) || one.closest(apart)) continue;
      found.push([`${one.className}: ${text}`, read(getComputedStyle(one).color), behind(one)]);
    }
    return found;
  },

  /** Give the strength of the draft a value that a slider does not offer. */
  spoil(strength) {
    const draft = JSON.parse(localStorage.getItem("impasto.draft"));
    draft.settings = { paint: { strength }, fast: {}, texture: {} };
    localStorage.setItem("impasto.draft", JSON.stringify(draft));
  },
})
