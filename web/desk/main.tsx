import { start } from "../shared/shell";
import { Desk } from "./desk";
import "../dentist/dentist.css";
import "./desk.css";

start({
  page: "desk",
  namespace: (role) => (role === "dentist" ? "/dentist" : "/staff"),
  title: "title.desk",
  view: (signed) => <Desk {...signed} />,
});
