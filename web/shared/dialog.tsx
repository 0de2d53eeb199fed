import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { t } from "./i18n";
import { Icon } from "./icons";

/** The browser's own modal dialog: it keeps the focus, and Escape closes it. */
export function Dialog(props: {
  title: string;
  onClose: () => void;
  /** A tap beside it; closes it like everything else unless this is given. */
  onOutside?: () => void;
  children: ComponentChildren;
  wide?: boolean;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  useEffect(() => {
    const element = dialog.current;
    const opener = document.activeElement;
    if (element !== null && !element.open) element.showModal();
    // what it is about, and not the button that closes it
    element?.querySelector<HTMLElement>(".dialog-head h2")?.focus();
    return () => {
      element?.close();
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard closes a dialog with Escape
    <dialog
      ref={dialog}
      class={props.wide ? "dialog wide" : "dialog"}
      aria-labelledby={title}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
      onClick={(event) => event.target === dialog.current && (props.onOutside ?? props.onClose)()}
    >
      <div class="dialog-body">
        <header class="dialog-head">
          <h2 id={title} tabIndex={-1}>
            {props.title}
          </h2>
          <button type="button" class="icon" aria-label={t("close")} onClick={props.onClose}>
            <Icon name="close" />
          </button>
        </header>
        {props.children}
      </div>
    </dialog>
  );
}
