export type { BlobStat, Blobs, PutOptions, ReadOptions, StoredBlob } from "./blobs.js";
export { BlobError, type BlobErrorCode, blobErrors } from "./errors.js";
export { createFileBlobs, type FileBlobsOptions } from "./file-blobs.js";
export { type LinkBlobsOptions, linkBlobs } from "./link-blobs.js";
