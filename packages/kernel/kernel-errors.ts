import { defineErrors, type ErrorOptions, SignalboxError } from "./errors.js";

export const kernelErrors = defineErrors("Kernel", {
  CONFIG_INVALID: {
    message: "The configuration is not valid",
    remedy: "Correct every key that the message names; docs/configuration.md lists all keys with their forms.",
  },
  EGRESS_REFUSED: {
    message: "The address is not one that this server may call",
    remedy: "Use a public address, or list the host or network in `egress.allow_private`.",
  },
  EGRESS_UNRESOLVED: {
    message: "The host name could not be resolved",
    retryable: true,
    remedy: "Check the name and this machine's name servers.",
  },
  EGRESS_UNREACHABLE: {
    message: "The remote server could not be reached or broke off",
    retryable: true,
    remedy: "Check that the remote server runs and that its certificate is valid.",
  },
  EGRESS_TIMEOUT: {
    message: "The remote server did not answer in time",
    retryable: true,
    remedy: "Check the remote server; the request may be repeated.",
  },
  EGRESS_TOO_LARGE: {
    message: "The remote server's answer is larger than the limit",
    remedy: "Ask for less, or raise the limit of the feature that made the request.",
  },
  EGRESS_REDIRECT_REFUSED: {
    message: "The remote server redirected, and this redirect is not followed",
    remedy: "Give the final address.",
  },
});

export type KernelErrorCode = keyof typeof kernelErrors.entries;

/** An error of this package; `code` is one of `kernelErrors`. */
export class KernelError extends SignalboxError {
  constructor(code: KernelErrorCode, options: ErrorOptions = {}) {
    super(code, kernelErrors.entries[code], options);
  }
}
