/** An input with its label. */

interface Props {
  id: string;
  label: string;
  type: "text" | "email" | "tel";
  value: string;
  onInput: (value: string) => void;
  required?: boolean;
  maxLength?: number;
  autocomplete?: string;
}

export function Field({ id, label, type, value, onInput, ...rest }: Props) {
  return (
    <div>
      <label for={id}>{label}</label>
      {/* the types know a union of inputs by their type; any of these three is one */}
      <input
        id={id}
        type={type as "text"}
        value={value}
        onInput={(event) => onInput(event.currentTarget.value)}
        {...rest}
      />
    </div>
  );
}
