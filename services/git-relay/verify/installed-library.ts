import { errorMessage } from "@signalbox/kernel";
import { isSignature } from "@signalbox/nostr";

/** Whether the 64 bytes of `sig` are a signature of the key over the id, 32 bytes each. Never throws. */
export type SignatureCheck = (id: Uint8Array, pubkey: Uint8Array, sig: Uint8Array) => boolean;

export type OpenedLibrary =
  | { readonly kind: "opened"; readonly library: string; readonly check: SignatureCheck }
  | { readonly kind: "missing"; readonly reason: string };

/**
 * Versions whose functions have the parameters that we give them, newest first. Before them, the length of a message
 * was no parameter.
 */
const versions = [6, 5, 2, 1] as const;
const libraries: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  linux: versions.map((version) => `libsecp256k1.so.${version}`),
  darwin: versions.map((version) => `libsecp256k1.${version}.dylib`),
};

const contextNone = 1;
/** What the library makes of a key is as large, and nobody else's matter. */
const parsedKeyBytes = 64;

/**
 * libsecp256k1 as the machine has it, called directly: the same work without WebAssembly, several times as fast. Neither
 * the library nor what calls it (`koffi`, an optional package) has to be there.
 * @param names of the library; default: those of this platform
 */
export async function openInstalledLibrary(
  names: readonly string[] = libraries[process.platform] ?? [],
): Promise<OpenedLibrary> {
  const koffi = await import("koffi").then(
    (module) => module.default,
    (error: unknown) => errorMessage(error),
  );
  if (typeof koffi === "string") return { kind: "missing", reason: `the package koffi cannot be loaded: ${koffi}` };
  for (const name of names) {
    const check = openCheck(() => koffi.load(name));
    if (check && isRight(check)) return { kind: "opened", library: name, check };
  }
  return { kind: "missing", reason: "libsecp256k1 with Schnorr signatures is not installed" };
}

type Loaded = ReturnType<typeof import("koffi").default.load>;

/** Nothing when there is no such library, or it was made without what is needed. */
function openCheck(load: () => Loaded): SignatureCheck | undefined {
  try {
    const library = load();
    const createContext = library.func("void *secp256k1_context_create(unsigned int flags)");
    const parseKey = library.func("int secp256k1_xonly_pubkey_parse(void *context, void *parsed, void *key)");
    const verify = library.func(
      "int secp256k1_schnorrsig_verify(void *context, void *sig, void *message, size_t length, void *parsed)",
    );
    const context: unknown = createContext(contextNone);
    const parsed = new Uint8Array(parsedKeyBytes);
    return (id, pubkey, sig) =>
      parseKey(context, parsed, pubkey) === 1 && verify(context, sig, id, id.length, parsed) === 1;
  } catch {
    return undefined;
  }
}

/** The first of BIP-340's test vectors, and what is not quite it: nobody's word is taken for what the library is. */
function isRight(check: SignatureCheck): boolean {
  const id = new Uint8Array(32);
  const pubkey = Buffer.from("f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9", "hex");
  const sig = Buffer.from(
    "e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca821525f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0",
    "hex",
  );
  const otherId = Uint8Array.from(id, (_, index) => (index === 0 ? 1 : 0));
  return [id, otherId].every((each) => check(each, pubkey, sig) === isSignature(each, pubkey, sig));
}
