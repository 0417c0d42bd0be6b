// All that a page can import.
export * from "@signalbox/experience-sdk";
