/** Id (32 bytes), key (32) and signature (64). */
export const partBytes = 128;
