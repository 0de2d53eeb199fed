import { start } from "../shared/shell";
import { Dentist } from "./dentist";
import "./dentist.css";
import "../desk/desk.css";

start({
  page: "dentist",
  namespace: "/dentist",
  title: "title.dentist",
  view: (signed) => <Dentist {...signed} />,
});
