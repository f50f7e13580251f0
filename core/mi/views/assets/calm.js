// Cheaper repaints. Bokeh 3.9 repaints axes, labels and colour bars with every frame of an image, and asks the browser
// for computed styles at each label, which forces the page's styles to be worked out again and again. This page moves
// only what lies on the "overlay" level, gives sizes in pixels and sets none of Bokeh's CSS variables. Each step is
// skipped where a Bokeh has no such thing; then repaints are merely slower.

function calm(doc) {
  const sources = new Set(panels.flatMap((panel) => panel.fields.map((field) => field.source)));
  for (const view of plotViews(doc)) {
    Object.defineProperty(view, "base_font_size", { value: 12, configurable: true });
    for (const visual of view.visuals ?? []) withoutStyles(visual);
    for (const renderer of view.renderer_views?.values() ?? []) {
      // Bokeh clips no overlay to its plot's frame; a zoomed image would cover the axes.
      if (sources.has(renderer.model.data_source)) Object.defineProperty(renderer, "needs_clip", { value: true });
    }
  }
}

function* plotViews(doc) {
  const queue = [...(doc.views_manager?.roots ?? [])];
  for (const view of queue) {
    if (view.renderer_views) yield view;
    queue.push(...(view.child_views ?? []));
  }
}

function withoutStyles(visual) {
  let prototype = Object.getPrototypeOf(visual);
  while (prototype && !Object.hasOwn(prototype, "_get_css_value")) prototype = Object.getPrototypeOf(prototype);
  if (prototype) prototype._get_css_value = () => "";
}
