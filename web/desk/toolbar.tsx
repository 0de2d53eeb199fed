import { useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { dateAt, dateWords, plusDays, zoneName } from "../shared/zones";
import { present } from "./day";
import type { World } from "./world";

export function Toolbar(props: {
  world: World;
  date: string;
  today: string;
  /** The one dentist that is shown. */
  only: string | null;
  /** There is room for one column only. */
  mustChoose: boolean;
  onDate: (date: string) => void;
  onOnly: (dentist: string | null) => void;
  /** The panel of today is open. */
  isOpen: boolean;
  onRoom: () => void;
}) {
  const { world, date, today, onDate } = props;
  const rows = useValue(world.list.rows);
  const here = present(rows.filter((row) => dateAt(row.start, world.zone) === today)).length;
  return (
    <div class="toolbar">
      <div class="turn">
        <button
          type="button"
          class="icon"
          aria-label={t("day.earlier")}
          onClick={() => onDate(plusDays(date, -1))}
        >
          <Icon name="left" />
        </button>
        <button type="button" class="secondary" onClick={() => onDate(today)}>
          {t("today")}
        </button>
        <button
          type="button"
          class="icon"
          aria-label={t("day.later")}
          onClick={() => onDate(plusDays(date, 1))}
        >
          <Icon name="right" />
        </button>
      </div>
      <h1 aria-live="polite">
        {dateWords(date, { weekday: "short", day: "numeric", month: "long" })}
      </h1>
      <input
        class="to-date"
        type="date"
        required
        aria-label={t("desk.date")}
        value={date}
        onChange={(event) => event.currentTarget.value && onDate(event.currentTarget.value)}
      />
      <p class="muted zone-note">{t("zone.times", { zone: zoneName(world.zone) })}</p>
      <button
        type="button"
        class="secondary room"
        aria-pressed={props.isOpen}
        onClick={props.onRoom}
      >
        <Icon name="user" /> {t("today.here")}
        {here > 0 && <span class="count">{here}</span>}
      </button>
      {world.dentists.length > 1 && (
        <select
          class="only"
          aria-label={t("find.dentist")}
          value={props.only ?? ""}
          onChange={(event) => props.onOnly(event.currentTarget.value || null)}
        >
          {!props.mustChoose && <option value="">{t("desk.all")}</option>}
          {world.dentists.map((each) => (
            <option key={each.id} value={each.id}>
              {each.name}
            </option>
          ))}
        </select>
      )}
    </div>
  );
}
