import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { t } from "../shared/i18n";
import type { HubFigures, Moment } from "./model";
import { columns } from "./model";

export interface Line {
  label: string;
  /** A custom property of the style sheet, so that light and dark have their own. */
  color: string;
  read: (figures: HubFigures) => number | null;
}

const HEIGHT = 190;

/** A colour of the style sheet as a canvas understands it: `light-dark()` is decided. */
function resolved(place: HTMLElement, name: string): string {
  const probe = place.appendChild(document.createElement("span"));
  probe.style.color = `var(${name})`;
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** A plot that moves with the figures; the table of values is in the cards for readers. */
export function Plot({
  title,
  lines,
  history,
}: {
  title: string;
  lines: readonly Line[];
  history: readonly Moment[];
}) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  useEffect(() => {
    const target = place.current as HTMLDivElement;
    const color = (name: string) => () => resolved(target, name);
    const axis = {
      stroke: color("--muted-now"),
      grid: { stroke: color("--line-now"), width: 1 },
      ticks: { show: false },
      font: "12px system-ui",
    };
    const made = new uPlot(
      {
        width: Math.max(target.clientWidth, 200),
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        scales: { y: { range: (_, __, most) => [0, Math.max(most * 1.15, 1)] } },
        axes: [
          {
            ...axis,
            values: (_, seconds) =>
              seconds.map((each) =>
                new Date(each * 1_000).toLocaleTimeString([], { hour12: false }),
              ),
            space: 90,
            size: 28,
          },
          { ...axis, size: 44 },
        ],
        series: [
          {},
          ...lines.map((line) => ({
            label: line.label,
            stroke: color(line.color),
            width: 2,
            spanGaps: true,
            points: { show: false },
          })),
        ],
      },
      [[], ...lines.map(() => [])],
      target,
    );
    plot.current = made;
    const resized = new ResizeObserver(() =>
      made.setSize({ width: Math.max(target.clientWidth, 200), height: HEIGHT }),
    );
    resized.observe(target);
    return () => {
      resized.disconnect();
      made.destroy();
    };
  }, []);
  useEffect(
    () =>
      plot.current?.setData(
        columns(
          history,
          lines.map((line) => line.read),
        ) as uPlot.AlignedData,
      ),
    [history],
  );
  return (
    <figure class="card plot">
      <figcaption>
        <h2>{title}</h2>
        <ul class="legend">
          {lines.map((line) => (
            <li key={line.label} class={`line ${line.color.slice(2)}`}>
              {line.label}
            </li>
          ))}
        </ul>
      </figcaption>
      <div ref={place} data-moments={history.length} role="img" aria-label={title} />
      {history.length === 0 && <p class="muted">{t("hub.plot.none")}</p>}
    </figure>
  );
}
