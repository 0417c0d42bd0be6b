/** What the dialog shows; clients may change the texts. */
const texts = {
  title: "Something went wrong.",
  subtitle: "Our team has been notified.",
  subtitle2: "If you'd like to help, tell us what happened below.",
  labelName: "Name",
  labelEmail: "Email",
  labelComments: "What happened?",
  labelClose: "Close",
  labelSubmit: "Submit",
  errorGeneric: "The report could not be sent. Please try again.",
  errorFormEntry: "Please fill in all fields.",
  successMessage: "Your feedback has been sent. Thank you!",
} as const;

const maxTextLength = 500;

/**
 * The script that asks the user of a page what happened. Everything that came from the address is a text to it: none of it
 * becomes part of the script or of the page's markup.
 */
export function crashDialog(query: URLSearchParams, action: string): string {
  const options: Record<string, string> = { action };
  for (const [name, text] of Object.entries(texts)) options[name] = query.get(name)?.slice(0, maxTextLength) ?? text;
  for (const name of ["name", "email"]) options[name] = query.get(name)?.slice(0, 256) ?? "";
  return `(${script})(${asScript(options)});`;
}

/** JSON that means the same inside a script, wherever that stands. */
function asScript(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[<>&\u2028\u2029]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const styles = `
  .back { position: fixed; inset: 0; z-index: 2147483647; display: flex; padding: 16px; background: rgba(10, 15, 30, .7);
    align-items: center; justify-content: center; font: 16px/1.5 system-ui, sans-serif; color: #1b2430; }
  form { box-sizing: border-box; width: 100%; max-width: 520px; max-height: 100%; overflow: auto; padding: 24px;
    border-radius: 8px; background: #fff; }
  h2 { margin: 0; font-size: 20px; } p { margin: 4px 0 12px; color: #4a5565; }
  label { display: block; margin: 12px 0 4px; font-weight: 600; }
  input, textarea { box-sizing: border-box; width: 100%; padding: 8px; border: 1px solid #8a94a3; border-radius: 4px; font: inherit; }
  textarea { min-height: 100px; resize: vertical; }
  .said { min-height: 24px; margin: 12px 0; color: #a01818; } .said.good { color: #12652a; }
  button { padding: 8px 16px; border: 1px solid #8a94a3; border-radius: 4px; background: #fff; font: inherit; cursor: pointer; }
  button[type=submit] { border-color: #1d4ed8; background: #1d4ed8; color: #fff; }`;

const script = `function (options) {
  "use strict";
  var host = document.createElement("div");
  var root = host.attachShadow ? host.attachShadow({ mode: "open" }) : host;
  function make(tag, properties, parent) {
    var element = document.createElement(tag);
    for (var name in properties) element[name] = properties[name];
    parent.appendChild(element);
    return element;
  }
  make("style", { textContent: ${JSON.stringify(styles)} }, root);
  var back = make("div", { className: "back" }, root);
  var form = make("form", { noValidate: true }, back);
  form.setAttribute("role", "dialog");
  form.setAttribute("aria-modal", "true");
  form.setAttribute("aria-label", options.title);
  make("h2", { textContent: options.title }, form);
  make("p", { textContent: options.subtitle + " " + options.subtitle2 }, form);
  function field(tag, id, text, value, type) {
    make("label", { textContent: text, htmlFor: id }, form);
    var input = make(tag, { id: id, name: id, value: value, required: true }, form);
    if (type) input.type = type;
    return input;
  }
  var name = field("input", "name", options.labelName, options.name, "text");
  var email = field("input", "email", options.labelEmail, options.email, "email");
  var comments = field("textarea", "comments", options.labelComments, "");
  var said = make("div", { className: "said" }, form);
  said.setAttribute("role", "status");
  var submit = make("button", { type: "submit", textContent: options.labelSubmit }, form);
  form.appendChild(document.createTextNode(" "));
  var close = make("button", { type: "button", textContent: options.labelClose }, form);
  function leave() {
    if (!host.parentNode) return;
    host.parentNode.removeChild(host);
    document.removeEventListener("keydown", onKey);
    window.postMessage("__sentry_reportdialog_closed__", "*");
  }
  function onKey(event) { if (event.key === "Escape") leave(); }
  function say(text, isGood) {
    said.textContent = text;
    said.className = isGood ? "said good" : "said";
  }
  close.onclick = leave;
  document.addEventListener("keydown", onKey);
  form.onsubmit = function (event) {
    event.preventDefault();
    if (!name.value.trim() || !email.value.trim() || !comments.value.trim()) return say(options.errorFormEntry);
    submit.disabled = true;
    var body = [name, email, comments].map(function (input) {
      return input.name + "=" + encodeURIComponent(input.value);
    }).join("&");
    var request = new XMLHttpRequest();
    request.open("POST", options.action);
    request.setRequestHeader("Content-Type", "application/x-www-form-urlencoded");
    request.onload = function () {
      submit.disabled = false;
      if (request.status !== 200) return say(options.errorGeneric);
      say(options.successMessage, true);
      submit.parentNode.removeChild(submit);
    };
    request.onerror = function () {
      submit.disabled = false;
      say(options.errorGeneric);
    };
    request.send(body);
  };
  (document.body || document.documentElement).appendChild(host);
  name.focus();
}`;
