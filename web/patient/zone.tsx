import { useState } from "preact/hooks";
import { t } from "../shared/i18n";
import { VIEWER_ZONE, zoneName } from "../shared/zones";

const REMEMBERED = "chairside-zone";
const OWN = "own";

/** Whether times are shown in the viewer's own zone; remembered on this device. */
export function useOwnZone(): [boolean, (isOwn: boolean) => void] {
  const [isOwn, setIsOwn] = useState(localStorage.getItem(REMEMBERED) === OWN);
  const choose = (chosen: boolean): void => {
    localStorage.setItem(REMEMBERED, chosen ? OWN : "practice");
    setIsOwn(chosen);
  };
  return [isOwn, choose];
}

/** The time zone to show times in; offered only where it makes a difference. */
export function Zones({
  zones,
  isOwn,
  onChange,
}: {
  zones: readonly string[];
  isOwn: boolean;
  onChange: (isOwn: boolean) => void;
}) {
  if (zones.every((zone) => zone === VIEWER_ZONE))
    return <p class="zone">{t("zone.all", { zone: zoneName(VIEWER_ZONE) })}</p>;
  return (
    <p class="zone">
      {isOwn
        ? t("zone.mine", { zone: zoneName(VIEWER_ZONE) })
        : t("zone.clinic", { zone: zones.map(zoneName).join(", ") })}{" "}
      <button type="button" class="link" onClick={() => onChange(!isOwn)}>
        {isOwn ? t("zone.show.clinic") : t("zone.show.mine", { zone: zoneName(VIEWER_ZONE) })}
      </button>
    </p>
  );
}
