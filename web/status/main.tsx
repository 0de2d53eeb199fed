import { start } from "../shared/shell";
import { Figures } from "./figures";
import { Verdict } from "./health";
import "uplot/dist/uPlot.min.css";
import "./status.css";

start({
  page: "status",
  namespace: "/admin",
  title: "title.status",
  open: () => <Verdict />,
  view: (signed) => <Figures {...signed} />,
});
