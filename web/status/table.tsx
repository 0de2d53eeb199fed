interface Props {
  title: string;
  heads: readonly string[];
  rows: readonly (readonly string[])[];
  /** Shown when there are no rows. */
  none: string;
  note?: string;
}

export function Table({ title, heads, rows, none, note }: Props) {
  return (
    <section class="card" aria-label={title}>
      <h2>{title}</h2>
      {rows.length === 0 ? (
        <p class="muted">{none}</p>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label={title}>
          <table>
            <thead>
              <tr>
                {heads.map((head) => (
                  <th key={head} scope="col">
                    {head}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.join()}>
                  {row.map((cell, number) => (
                    <td key={heads[number]}>{cell}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {note && <p class="hint">{note}</p>}
    </section>
  );
}
