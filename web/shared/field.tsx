/** An input with its label. */

import { useEffect, useRef } from "preact/hooks";

interface Props {
  id: string;
  label: string;
  type: "text" | "email" | "tel" | "date";
  value: string;
  onInput: (value: string) => void;
  required?: boolean;
  maxLength?: number;
  /** Of a date: the latest one. */
  max?: string;
  autocomplete?: string;
  /** It has the focus when it appears. */
  autoFocus?: boolean;
  /** The id of the form that it belongs to, if that is not around it. */
  form?: string;
}

export function Field({ id, label, type, value, onInput, autoFocus, ...rest }: Props) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => void (autoFocus && input.current?.focus()), []);
  return (
    <div>
      <label for={id}>{label}</label>
      {/* the types know a union of inputs by their type; any of these is one */}
      <input
        ref={input}
        id={id}
        type={type as "text"}
        value={value}
        onInput={(event) => onInput(event.currentTarget.value)}
        {...rest}
      />
    </div>
  );
}
