import { describeExperienceStore } from "@signalbox/experience/testing";
import { sqlStoreUnderTest } from "../testing/sql-store-under-test.js";

describeExperienceStore({ name: "SQL on SQLite", create: sqlStoreUnderTest() });
