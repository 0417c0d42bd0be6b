import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "../../api/client.js";

/** More projects than these are looked at one by one, on their own pages. */
const maxProjects = 20;

/** The projects whose errors the overview speaks of. */
export function useProjects() {
  return useQuery({
    queryKey: ["projects"],
    queryFn: () => dataOf(api.GET("/api/v1/projects")),
    select: (projects) => projects.slice(0, maxProjects),
  });
}
