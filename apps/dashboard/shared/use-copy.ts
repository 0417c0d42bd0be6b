import { useEffect, useRef, useState } from "react";
import { sayFailed } from "./notify.js";

/** How long a button says that it has copied. */
const saidForMs = 1_500;

/** Copies text for a button that says so itself. */
export function useCopy(): { readonly copied: boolean; copy(text: string): void } {
  const [copied, setCopied] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = (text: string): void => {
    void copyText(text).then((done) => {
      if (!done) return;
      setCopied(true);
      clearTimeout(timer.current);
      timer.current = setTimeout(() => setCopied(false), saidForMs);
    });
  };
  return { copied, copy };
}

/**
 * Copies text, also over plain HTTP, where browsers let a page copy nothing but what is selected. When that fails, too,
 * the reader is told, and the answer is false.
 */
export async function copyText(text: string): Promise<boolean> {
  const done = window.isSecureContext
    ? await navigator.clipboard.writeText(text).then(
        () => true,
        () => copySelected(text),
      )
    : copySelected(text);
  if (!done) sayFailed("Nothing was copied", new Error("The browser does not let this page copy."));
  return done;
}

function copySelected(text: string): boolean {
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.readOnly = true;
  field.style.position = "fixed";
  field.style.opacity = "0";
  document.body.append(field);
  field.select();
  try {
    return document.execCommand("copy");
  } finally {
    field.remove();
    if (focused instanceof HTMLElement) focused.focus();
  }
}
