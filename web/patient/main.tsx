import { start } from "../shared/shell";
import { Patient } from "./patient";
import "./patient.css";

start({
  page: "patient",
  namespace: "/patient",
  title: "title.patient",
  view: (signed) => <Patient {...signed} />,
});
