/** Functions that every thread begins with. */
const entries =
  /^(?:_?start|thread_start|_pthread_\w*|start_thread|_*clone3?|__libc_start_\w*|RtlUserThreadStart|_*BaseThreadInitThunk\w*|Tpp\w*|Rtlp\w*Callback)$/;

/** Functions through which a program gives up, and those that report it. */
const aborts =
  /^(?:_*abort|raise|gsignal|\w*pthread_kill\w*|_objc_terminate\w*|__cxa_throw|__cxa_rethrow|objc_exception_(?:re)?throw|(?:__rustc::)?(?:rust_begin_unwind|_*rust_start_panic)|rust_panic\w*|(?:core|std)::panicking::.*|<?sentry_panic::.*|std::terminate|std::__terminate|__terminate|crash_handler\w*|sentry__?\w*(?:handler|signal)\w*|.*(?:CrashHandler|SignalHandler)\w*)$/;

/** What loads and initialises code, and calls it on the way. */
const internals =
  /^(?:_?dyld\w*|ImageLoader.*|dlopen_internal|objc_msgSend\w*|lookUpImp\w*|\w*initialize\w*Meta\w*|CALLING_SOME_\+initialize\w*)$/;

const indirections =
  /^(?:std::.*function.*::operator\(\)|std::.*invoke.*|boost::function.*::operator\(\)|.*lambda.*::operator\(\))$/;

/**
 * Why frames of a native stack say nothing about the error, by their place; frames that do are left out. `names` are
 * the stable names of the functions, oldest first.
 */
export function meaninglessNativeFrames(
  names: readonly (string | undefined)[],
  inApp: readonly boolean[],
): Map<number, string> {
  const hints = new Map<number, string>();
  for (const [index, name] of names.entries()) {
    if (name === undefined) continue;
    if (internals.test(name)) hints.set(index, "internals of loader or runtime");
    else if (indirections.test(name)) hints.set(index, "calls on behalf of others");
  }
  for (const [index, name] of names.entries()) {
    // Unwinding ends in frames that nobody can name, beyond those that every thread begins with.
    if (name === undefined) continue;
    if (!entries.test(name)) break;
    hints.set(index, "start of a thread");
  }
  for (let index = abortStart(names, inApp); index < names.length; index++) hints.set(index, "how the program gave up");
  return hints;
}

/** The outermost abort frame behind which no frame of the application follows. */
export function abortStart(names: readonly (string | undefined)[], inApp: readonly boolean[]): number {
  let start = names.length;
  for (let index = names.length - 1; index >= 0; index--) {
    const name = names[index];
    if (name !== undefined && aborts.test(name)) start = index;
    else if (inApp[index]) break;
  }
  // A stack of nothing but its end is all there is to go by.
  return start === 0 ? names.length : start;
}
