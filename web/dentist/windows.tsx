/** The hours of one day as fields. */

import type { Window } from "../sdk/index";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { nextWindow } from "./hours-model";

export function Windows({
  windows,
  label,
  onChange,
}: {
  windows: readonly Window[];
  label: string;
  onChange: (windows: Window[]) => void;
}) {
  const set = (number: number, part: Partial<Window>): void =>
    onChange(windows.map((each, at) => (at === number ? { ...each, ...part } : each)));
  return (
    <div class="windows">
      {windows.length === 0 && <span class="muted">{t("hours.closed")}</span>}
      {windows.map((window, number) => (
        <span key={number} class="window">
          <input
            type="time"
            aria-label={t("hours.from", { day: label })}
            value={window.start}
            required
            onInput={(event) =>
              event.currentTarget.value && set(number, { start: event.currentTarget.value })
            }
          />
          <span aria-hidden="true">–</span>
          {/* a clock has no 24:00: midnight at the end is 00:00 */}
          <input
            type="time"
            aria-label={t("hours.to", { day: label })}
            value={window.end === "24:00" ? "00:00" : window.end}
            required
            onInput={(event) =>
              event.currentTarget.value &&
              set(number, {
                end: event.currentTarget.value === "00:00" ? "24:00" : event.currentTarget.value,
              })
            }
          />
          <button
            type="button"
            class="icon small"
            aria-label={t("hours.remove", { day: label })}
            onClick={() => onChange(windows.filter((_, at) => at !== number))}
          >
            <Icon name="close" />
          </button>
        </span>
      ))}
      <button
        type="button"
        class="icon small"
        aria-label={t("hours.add", { day: label })}
        onClick={() => onChange([...windows, nextWindow(windows)])}
      >
        <Icon name="plus" />
      </button>
    </div>
  );
}
