/** A signal with two lamps; 32 by 32 pixels, PNG. */
export const icon = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAMAAABEpIrGAAAADFBMVEX///8iJi7WPDQ0qFOcMT/YAAAABHRSTlMA////sy1AiAAA" +
    "ADVJREFUeNpjYKAaYEQDA6aACQxwK2BiQqgYugoIenNQxAUzGOBWwMyMUDF0FRD05kDHBdkAAOU0AnVUbz+OAAAAAElFTkSuQmCC",
  "base64",
);
