/** Finding a patient by name, telephone number or date of birth; Enter takes the first. */

import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Hub, Profile } from "../sdk/index";
import { isAmerican, t } from "../shared/i18n";
import { dateWords } from "../shared/zones";
import { searchText } from "./dates";

const TYPED_MS = 120;
const LEFT_MS = 150;
const SHOWN = 8;

interface Props {
  hub: Hub;
  id: string;
  onPatient: (patient: Profile) => void;
  /** Nobody was found, or none of them is the one: a new patient of this name. */
  onNew: (name: string) => void;
  autoFocus?: boolean;
}

export function PatientSearch({ hub, id, onPatient, onNew, autoFocus = false }: Props) {
  const list = useId();
  const input = useRef<HTMLInputElement>(null);
  const [q, setQ] = useState("");
  const [open, setOpen] = useState(false);
  const [found, setFound] = useState<{ q: string; people: readonly Profile[] } | null>(null);
  const [active, setActive] = useState(0);
  useEffect(() => void (autoFocus && input.current?.focus()), []);
  const find = async (text: string, signal?: AbortSignal): Promise<readonly Profile[]> => {
    const { data } = await hub.rest.patients(searchText(text, isAmerican()), signal);
    const people = data.slice(0, SHOWN);
    setFound({ q: text, people });
    setActive(0);
    return people;
  };
  const text = q.trim();
  useEffect(() => {
    if (text === "") return setFound(null);
    const aborted = new AbortController();
    const timer = setTimeout(() => void find(text, aborted.signal).catch(() => {}), TYPED_MS);
    return () => {
      clearTimeout(timer);
      aborted.abort();
    };
  }, [text]);
  const people = found?.people ?? [];
  const take = (patient: Profile | undefined): void => {
    setQ("");
    setOpen(false);
    if (patient) onPatient(patient);
    else onNew(text);
  };
  /** Also when the answer to what was typed has not come yet. */
  const enter = (): void => {
    if (text === "") return;
    if (found?.q === text) take(people[active]);
    else
      void find(text).then(
        (now) => take(now[0]),
        () => {},
      );
  };
  /** Not when the window lost the focus, or the field has it again. */
  const left = (): void => {
    if (document.activeElement !== input.current) setOpen(false);
  };
  const shown = open && text !== "" && found !== null;
  const count = people.length + 1;
  const pressed = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown") setActive((active + 1) % count);
    else if (event.key === "ArrowUp") setActive((active + count - 1) % count);
    else if (event.key === "Enter") enter();
    else if (event.key === "Escape" && q !== "") setQ("");
    else return;
    event.preventDefault();
  };
  return (
    <div class="search" role="search">
      <label class="visually-hidden" for={id}>
        {t("search.label")}
      </label>
      <input
        ref={input}
        id={id}
        type="search"
        // biome-ignore lint/a11y/noRedundantRoles: without a datalist it is no combobox by itself
        role="combobox"
        list={undefined}
        autocomplete="off"
        spellcheck={false}
        aria-expanded={shown}
        aria-controls={list}
        aria-autocomplete="list"
        aria-activedescendant={shown ? `${list}-${active}` : undefined}
        placeholder={t("search.hint")}
        value={q}
        onInput={(event) => {
          setQ(event.currentTarget.value);
          setOpen(true);
        }}
        onFocus={() => setOpen(true)}
        onBlur={() => setTimeout(left, LEFT_MS)}
        onKeyDown={pressed}
      />
      <div id={list} class="matches" role="listbox" aria-label={t("search.found")} hidden={!shown}>
        {shown &&
          [...people, undefined].map((each, number) => (
            // biome-ignore lint/a11y/useFocusableInteractive lint/a11y/useKeyWithClickEvents: the field has the focus and the keys (ARIA combobox)
            <div
              key={each?.id ?? "new"}
              id={`${list}-${number}`}
              role="option"
              class="match"
              aria-selected={number === active}
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => take(each)}
            >
              {each ? <Match patient={each} /> : t("search.new", { name: text })}
            </div>
          ))}
      </div>
    </div>
  );
}

function Match({ patient }: { patient: Profile }) {
  const born = patient.date_of_birth;
  return (
    <>
      <span>{patient.name}</span>
      <small class="muted">
        {[born && dateWords(born, NUMERIC), patient.phone ?? patient.email]
          .filter(Boolean)
          .join(" · ")}
      </small>
    </>
  );
}

const NUMERIC = { day: "2-digit", month: "2-digit", year: "numeric" } as const;
