// Reads LogQL queries as a JSON list on standard input; writes a list with the place of the first error of each, or null.
import { readFileSync } from "node:fs";
import { parser } from "@grafana/lezer-logql";

function firstError(query) {
  let found = null;
  parser.parse(query).iterate({
    enter: (node) => {
      if (node.type.isError && found === null) found = node.from;
    },
  });
  return found;
}

const queries = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(queries.map(firstError)));
