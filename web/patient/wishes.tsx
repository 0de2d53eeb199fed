/** What a patient looks for: why, with whom, at what time of day. */

import { t } from "../shared/i18n";
import { type Search, TIMES, type TimeOfDay } from "./route";
import type { Wish } from "./wish";
import type { World } from "./world";

interface Props {
  wish: Wish;
  world: World;
  moving: boolean;
  onChange: (part: Partial<Search>) => void;
}

export function Wishes({ wish, world, moving, onChange }: Props) {
  return (
    <div class="wishes card">
      {!moving && (
        <fieldset class="chips">
          <legend>{t("find.type")}</legend>
          {world.types.map((type) => (
            <label key={type.id} class="chip">
              <input
                type="radio"
                name="type"
                checked={wish.type.id === type.id}
                onChange={() => onChange({ type: type.id })}
              />
              <span>
                {type.name} <small>{t("minutes", { n: type.duration_minutes })}</small>
              </span>
            </label>
          ))}
        </fieldset>
      )}
      <div class="pair">
        <div>
          <label for="dentist">{t("find.dentist")}</label>
          <select
            id="dentist"
            value={wish.dentist}
            onChange={(event) => onChange({ dentist: event.currentTarget.value })}
          >
            <option value="">{t("find.anybody")}</option>
            {world.dentists.map((each) => (
              <option key={each.id} value={each.id}>
                {each.name}
              </option>
            ))}
          </select>
        </div>
        <TimesOfDay time={wish.time} onChange={(time) => onChange({ time })} />
      </div>
    </div>
  );
}

function TimesOfDay({ time, onChange }: { time: TimeOfDay; onChange: (time: TimeOfDay) => void }) {
  return (
    <fieldset class="segments">
      <legend>{t("find.time")}</legend>
      {(Object.keys(TIMES) as TimeOfDay[]).map((each) => (
        <label key={each} class="segment">
          <input type="radio" name="time" checked={time === each} onChange={() => onChange(each)} />
          <span>{t(`time.${each}`)}</span>
        </label>
      ))}
    </fieldset>
  );
}
