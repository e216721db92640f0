/**
 * The pages of the documentation as something that can be tried: their blocks of code, and the shell lines in them. What
 * a page may use is deliberately little (variables, curl, the id out of an answer): readers copy it, and no shell is
 * needed to check it.
 */

/** A fenced block. */
export interface Block {
  /** `ts`, `sh`, `json`, …; empty when the fence names none. */
  readonly language: string;
  /** What the fence says behind the language, or a comment in the line before it. */
  readonly info: string;
  readonly text: string;
  /** Of its first fence, from 1. */
  readonly line: number;
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

/** The fenced blocks of a page. Fences stand at the beginning of a line. */
export function blocksOf(markdown: string): readonly Block[] {
  const blocks: Block[] = [];
  let open: { readonly language: string; readonly info: string; readonly line: number; text: string } | undefined;
  let comment = '';
  for (const [index, line] of markdown.split('\n').entries()) {
    const fence = /^```(\S*) *(.*)$/.exec(line);
    if (open === undefined && fence !== null) {
      open = { language: fence[1] ?? '', info: fence[2] || comment, line: index + 1, text: '' };
    } else if (open !== undefined && fence !== null) {
      blocks.push(open);
      open = undefined;
    } else if (open !== undefined) open.text += `${line}\n`;
    if (line !== '') comment = /^<!-- (.*) -->$/.exec(line)?.[1] ?? '';
  }
  return blocks;
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
    const [words, comment] = this.#words(line.replace(/^export (?=\w+=)/, ''));
    if (words.length === 0) return undefined;
    const assigned = /^(\w+)=(.*)$/.exec(words[0] ?? '');
    if (words.length === 1 && assigned !== null) {
      this.set(assigned[1] ?? '', assigned[2] ?? '');
      return undefined;
    }
    const status = /^# (\d{3})\b/.exec(comment)?.[1];
    return { ...this.#curl(line), ...(status === undefined ? {} : { status: Number(status) }) };
  }

  /** The words of a command, with its variables filled in. */
  words(line: string): readonly string[] {
    return this.#words(line)[0];
  }

  #curl(line: string): CurlRequest {
    const [[command, ...words]] = this.#words(line);
    if (command !== 'curl') throw new Error(`neither curl nor NAME=value: ${line}`);
    const urls: string[] = [];
    const headers: Record<string, string> = {};
    let method: string | undefined;
    let body: string | undefined;
    for (let word = words.shift(); word !== undefined; word = words.shift()) {
      if (word === '-i' || word === '-s' || word === '-N') continue;
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
