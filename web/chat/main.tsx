import { start } from "../shared/shell";
import { ChatPage } from "./chat";
import "./chat.css";

start({
  page: "chat",
  namespace: "/patient",
  title: "title.chat",
  view: (signed) => <ChatPage {...signed} />,
});
