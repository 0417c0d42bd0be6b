/** The little of the optional package that is used. Where it could not be installed the service has to compile all the same. */
declare module "koffi" {
  type NativeFunction = (...values: readonly unknown[]) => unknown;
  interface Library {
    /** @param declaration of the function, as C has it */
    func(declaration: string): NativeFunction;
  }
  const koffi: { load(name: string): Library };
  export default koffi;
}
