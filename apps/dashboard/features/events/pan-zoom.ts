import { type PointerEvent, useEffect, useRef, useState } from "react";

interface View {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

const whole: View = { x: 0, y: 0, scale: 1 };
const minScale = 0.3;
const maxScale = 4;

/** Moves a drawing by dragging, and makes it larger and smaller by the wheel with Ctrl, by pinching, or by buttons. */
export function usePanZoom(width: number, height: number) {
  const frame = useRef<HTMLDivElement>(null);
  const [view, setView] = useState(whole);
  const zoom = (by: number): void => setView((current) => zoomed(current, by, width, height));

  useEffect(() => {
    const element = frame.current;
    // Listened to by hand: what React listens to with cannot keep the page from zooming.
    const onWheel = (event: WheelEvent): void => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      setView((current) => zoomed(current, event.deltaY < 0 ? 1.1 : 1 / 1.1, width, height));
    };
    element?.addEventListener("wheel", onWheel, { passive: false });
    return () => element?.removeEventListener("wheel", onWheel);
  }, [width, height]);

  const onPointerDown = (event: PointerEvent<HTMLDivElement>): void => {
    const element = frame.current;
    if (element === null || event.button !== 0) return;
    const perPixel = width / view.scale / Math.max(1, element.clientWidth);
    let last = { x: event.clientX, y: event.clientY };
    const move = (moved: globalThis.PointerEvent): void => {
      const dx = (last.x - moved.clientX) * perPixel;
      const dy = (last.y - moved.clientY) * perPixel;
      last = { x: moved.clientX, y: moved.clientY };
      setView((current) => ({ ...current, x: current.x + dx, y: current.y + dy }));
    };
    const end = (): void => {
      window.removeEventListener("pointermove", move);
      window.removeEventListener("pointerup", end);
      window.removeEventListener("pointercancel", end);
    };
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", end);
    window.addEventListener("pointercancel", end);
  };

  return {
    frame,
    zoom,
    reset: () => setView(whole),
    onPointerDown,
    viewBox: `${view.x} ${view.y} ${width / view.scale} ${height / view.scale}`,
  };
}

/** About the middle of what is seen. */
function zoomed({ x, y, scale }: View, by: number, width: number, height: number): View {
  const next = Math.min(maxScale, Math.max(minScale, scale * by));
  return {
    x: x + (width / scale - width / next) / 2,
    y: y + (height / scale - height / next) / 2,
    scale: next,
  };
}
