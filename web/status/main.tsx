import { start } from "../shared/shell";
import { Verdict } from "./health";
import { Figures } from "./figures";
import "uplot/dist/uPlot.min.css";
import "./status.css";

start({
  page: "status",
  namespace: "/admin",
  title: "title.status",
  open: () => <Verdict />,
  view: (signed) => <Figures {...signed} />,
});
