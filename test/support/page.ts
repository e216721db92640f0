/**
 * The pages of the documentation as something that can be tried: their blocks of code, and the shell lines in them. What
 * a page may use is deliberately little (variables, curl, the id out of an answer): readers copy it, and no shell is
 * needed to check it.
 */

/** A fenced block. */
export interface Block {
  /** `ts`, `sh`, `json`, … */
  readonly language: string;
  readonly text: string;
}

/** A request that a page makes with curl. */
export interface CurlRequest {
  /** The line as it stands there. */
  readonly line: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** What the comment at its end begins with: `# 404 …`. */
  readonly status?: number;
  /** Variable that gets the id out of the answer. */
  readonly idInto?: string;
}

export function blocksOf(markdown: string): readonly Block[] {
  return [...markdown.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language = '', text = '']) => ({ language, text }));
}

/** Reads lines of a shell, one request after the other; variables live as long as it. */
export class ShellLines {
  readonly #variables = new Map<string, string>();

  set(name: string, value: string): void {
    this.#variables.set(name, value);
  }

  /**
   * What a line asks for, with its variables filled in; `undefined` for one that asks for nothing.
   * @throws Error for a line that is neither an assignment nor curl
   */
  read(line: string): CurlRequest | undefined {
    const caught = /^(\w+)=\$\((curl .*) \| cut -d'"' -f4\)$/.exec(line);
    if (caught !== null) return { ...this.#curl(caught[2] ?? ''), line, idInto: caught[1] ?? '' };
    const [words, comment] = this.#words(line);
    if (words.length === 0) return undefined;
    const assigned = /^(\w+)=(.*)$/.exec(words[0] ?? '');
    if (words.length === 1 && assigned !== null) {
      this.set(assigned[1] ?? '', assigned[2] ?? '');
      return undefined;
    }
    const status = /^# (\d{3})\b/.exec(comment)?.[1];
    return { ...this.#curl(line), ...(status === undefined ? {} : { status: Number(status) }) };
  }

  #curl(line: string): CurlRequest {
    const [[command, ...words]] = this.#words(line);
    if (command !== 'curl') throw new Error(`neither curl nor NAME=value: ${line}`);
    const urls: string[] = [];
    const headers: Record<string, string> = {};
    let method: string | undefined;
    let body: string | undefined;
    for (let word = words.shift(); word !== undefined; word = words.shift()) {
      if (word === '-i' || word === '-s') continue;
      if (word === '-X') method = words.shift();
      else if (word === '-d') body = words.shift();
      else if (word === '-H') {
        const [name = '', value = ''] = (words.shift() ?? '').split(': ');
        headers[name.toLowerCase()] = value;
      } else if (word.startsWith('-')) throw new Error(`curl ${word} is not known here: ${line}`);
      else urls.push(word);
    }
    const [url] = urls;
    if (url === undefined || urls.length > 1) throw new Error(`not one URL but ${urls.length}: ${line}`);
    if (body !== undefined) headers['content-type'] ??= 'application/x-www-form-urlencoded'; // as curl does
    return {
      line,
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      url,
      headers,
      ...(body === undefined ? {} : { body }),
    };
  }

  /** The words of a line with quotes and variables resolved, and the comment at its end. */
  #words(line: string): [string[], string] {
    const words: string[] = [];
    const parts = /\s+|(#.*$)|((?:'[^']*'|"[^"]*"|[^\s'"#]|(?<=[^\s])#)+)/gy;
    for (const [, comment, word] of line.matchAll(parts)) {
      if (comment !== undefined) return [words, comment];
      if (word !== undefined) words.push(this.#resolve(word));
    }
    return [words, ''];
  }

  #resolve(word: string): string {
    return word.replace(/'([^']*)'|"([^"]*)"|[^'"]+/g, (bare: string, literal?: string, quoted?: string) => {
      return literal ?? this.#fill(quoted ?? bare);
    });
  }

  #fill(text: string): string {
    return text.replace(/\$(\w+)/g, (_, name: string) => {
      const value = this.#variables.get(name);
      if (value === undefined) throw new Error(`$${name} is not set`);
      return value;
    });
  }
}

/** The lines of a block; one that ends in a backslash goes on in the next. */
export function shellLines(text: string): readonly string[] {
  return text.replaceAll(/\\\n\s*/g, '').split('\n');
}
