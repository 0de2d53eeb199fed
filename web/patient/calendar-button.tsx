import { useCommand } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import type { World } from "./world";

/** Offers a visit as a file, with which other calendars keep one entry of it. */
export function CalendarButton({ world, id, look }: { world: World; id: string; look: string }) {
  const { busy, problem, run } = useCommand();
  return (
    <>
      <button
        type="button"
        class={look}
        disabled={busy}
        onClick={() => void run(async () => save(await world.hub.rest.calendarFile(id)))}
      >
        <Icon name="download" /> {t("ics")}
      </button>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
    </>
  );
}

function save(text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "text/calendar" }));
  const link = Object.assign(document.createElement("a"), {
    href: address,
    download: "appointment.ics",
  });
  link.click();
  URL.revokeObjectURL(address);
}
