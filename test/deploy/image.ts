/**
 * Carries out a Dockerfile without a container engine: what it copies is copied, what it runs is run, and what it starts can be
 * started. A stage is a folder; absolute paths of the image are paths below it.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, delimiter, dirname, join, posix } from 'node:path';
import { DockerfileParser, From, type Instruction } from 'dockerfile-ast';

/** What is known of an image once it is built. */
export interface Image {
  /** The folder that stands for its file system. */
  readonly root: string;
  readonly env: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly user: string | undefined;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** A line for the shell. */
  readonly healthcheck: string | undefined;
}

interface Stage {
  readonly root: string;
  readonly env: Record<string, string>;
  workingDirectory: string;
  user: string | undefined;
  entrypoint: readonly string[];
  cmd: readonly string[];
  healthcheck: string | undefined;
}

export interface BuildOptions {
  /** The folder with the Dockerfile: the context. */
  readonly project: string;
  /** An empty folder to build in. */
  readonly into: string;
  /** Programs that stand in for others of the same name in RUN lines. */
  readonly instead?: string;
}

export function instructionsOf(project: string): readonly Instruction[] {
  return DockerfileParser.parse(readFileSync(join(project, 'Dockerfile'), 'utf8')).getInstructions();
}

export function buildImage({ project, into, instead }: BuildOptions): Image {
  const stages = new Map<string, Stage>();
  let stage: Stage | undefined;
  for (const instruction of instructionsOf(project)) {
    const keyword = instruction.getKeyword();
    if (keyword === 'FROM') {
      const name = (instruction instanceof From ? instruction.getBuildStage() : null) ?? `stage-${stages.size}`;
      stage = emptyStage(join(into, name));
      stages.set(name, stage);
      continue;
    }
    if (stage === undefined) throw new Error(`${keyword} before FROM`);
    carryOut(instruction, { stage, stages, project, instead });
  }
  if (stage === undefined) throw new Error('no FROM');
  return stage;
}

function emptyStage(root: string): Stage {
  mkdirSync(root, { recursive: true });
  return {
    ...{ root, env: {}, workingDirectory: '/', user: undefined, entrypoint: [], cmd: [], healthcheck: undefined },
  };
}

interface Surroundings {
  readonly stage: Stage;
  readonly stages: ReadonlyMap<string, Stage>;
  readonly project: string;
  readonly instead: string | undefined;
}

function carryOut(instruction: Instruction, around: Surroundings): void {
  const { stage } = around;
  const content = (instruction.getArgumentsContent() ?? '').replaceAll(/\\\n\s*/g, '');
  switch (instruction.getKeyword()) {
    case 'WORKDIR':
      stage.workingDirectory = posix.resolve(stage.workingDirectory, content);
      mkdirSync(within(stage, stage.workingDirectory), { recursive: true });
      return;
    case 'ENV':
      for (const pair of content.split(/\s+/)) {
        const at = pair.indexOf('=');
        stage.env[pair.slice(0, at)] = pair.slice(at + 1);
      }
      return;
    case 'COPY':
      copy(instruction, around);
      return;
    case 'RUN':
      run(content, around);
      return;
    case 'USER':
      stage.user = content;
      return;
    case 'ENTRYPOINT':
      stage.entrypoint = JSON.parse(content) as string[];
      return;
    case 'CMD':
      stage.cmd = JSON.parse(content) as string[];
      return;
    case 'HEALTHCHECK':
      stage.healthcheck = /\bCMD (.+)$/s.exec(content)?.[1];
      return;
    case 'EXPOSE':
      return;
    default:
      throw new Error(`${instruction.getKeyword()} is not carried out here`);
  }
}

function within({ root }: Stage, path: string): string {
  return join(root, path);
}

/** The path in the stage's folder of each absolute path of the image that it already has, or makes. */
function relocate(line: string, stage: Stage): string {
  return line.replaceAll(/(?<=^|[\s"'=])(\/(?:app|functions)\b[^\s"']*)/g, (path) => within(stage, path));
}

function copy(instruction: Instruction, { stage, stages, project }: Surroundings): void {
  const words = instruction.getArguments().map((argument) => argument.getValue());
  const from = /^--from=(\S+)\s/.exec(`${instruction.getTextContent().replace(/^COPY\s+/, '')} `)?.[1];
  const paths = words.filter((word) => !word.startsWith('--'));
  const to = paths.at(-1) ?? '';
  const target = posix.resolve(stage.workingDirectory, to);
  for (const source of paths.slice(0, -1)) {
    const origin = from === undefined ? join(project, source) : within(stageOf(stages, from), source);
    if (from === undefined && !isSent(project, source)) throw new Error(`.dockerignore leaves ${source} out`);
    if (!existsSync(origin)) throw new Error(`there is no ${source} to copy`);
    const isFolder = statSync(origin).isDirectory();
    const intoFolder = !isFolder && (to.endsWith('/') || paths.length > 2);
    const destination = within(stage, intoFolder ? posix.join(target, basename(source)) : target);
    mkdirSync(dirname(destination), { recursive: true });
    if (isFolder) link(origin, destination);
    else cpSync(origin, destination);
  }
}

function stageOf(stages: ReadonlyMap<string, Stage>, name: string): Stage {
  const found = stages.get(name);
  if (found === undefined) throw new Error(`there is no stage ${name}`);
  return found;
}

/** Copies a folder, where it can be without the bytes of its files. */
function link(from: string, to: string): void {
  execFileSync('/bin/sh', ['-c', `${linkOrCopy} "$0" "$1"`, from, to]);
}

/** Links do not reach over file systems. */
const linkOrCopy = 'link() { cp -al "$1" "$2" 2>/dev/null || { rm -rf "$2"; cp -a "$1" "$2"; }; }; link';

/** Whether the context has a file or folder of the project: all is left out but what is let in by name. */
function isSent(project: string, path: string): boolean {
  const lines = readFileSync(join(project, '.dockerignore'), 'utf8').split('\n');
  return lines.includes(`!${path.replace(/\/$/, '')}`);
}

function run(line: string, { stage, instead }: Surroundings): void {
  const path = instead === undefined ? process.env['PATH'] : `${instead}${delimiter}${process.env['PATH'] ?? ''}`;
  const result = spawnSync('/bin/sh', ['-ec', relocate(line, stage)], {
    cwd: within(stage, stage.workingDirectory),
    env: { ...process.env, ...stage.env, PATH: path },
    encoding: 'utf8',
  });
  if (result.status !== 0)
    throw new Error(`RUN ${line} ended with ${result.status}:\n${result.stdout}${result.stderr}`);
}

/**
 * An `npm` that does what the lines of the Dockerfile ask of it with what is here already: `ci` and `prune` leave what production
 * needs, as links; `run build` takes what was compiled.
 */
export function fakeNpm(folder: string, project: string): string {
  const lock = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly devOptional?: boolean }>>;
  };
  const wanted = Object.entries(lock.packages)
    .filter(([path, entry]) => /^node_modules\/(?:@[^/]+\/)?[^/]+$/.test(path) && entry.dev !== true)
    .map(([path]) => path)
    .filter((path) => existsSync(join(project, path)));
  const list = join(folder, 'production.txt');
  mkdirSync(folder, { recursive: true });
  writeFileSync(list, `${wanted.join('\n')}\n`);
  const script = `#!/bin/sh -e
${linkOrCopy.replace(/; link$/, '')}
case "$1" in
  ci) while read -r path; do mkdir -p "$(dirname "$path")"; link "${project}/$path" "$path"; done < "${list}" ;;
  run) [ "$2" = build ] && link "${project}/dist" dist ;;
  prune) ;;
  *) echo "npm $* is not expected" >&2; exit 1 ;;
esac
`;
  writeFileSync(join(folder, 'npm'), script);
  chmodSync(join(folder, 'npm'), 0o755);
  return folder;
}

/** Starts a process of an image, as its user where that can be, on a file system that it cannot write to. */
export function startContainer(
  image: Image,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): ChildProcess {
  const [program = '', ...rest] = [...image.entrypoint, ...(args.length === 0 ? image.cmd : args)];
  makeReadOnly(image.root);
  return spawn(
    program === 'node' ? process.execPath : program,
    rest.map((word) => relocate(word, image as Stage)),
    {
      cwd: join(image.root, image.workingDirectory),
      env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', TMPDIR: '/nonexistent', ...image.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // The user `node` of the official image.
      ...(process.getuid?.() === 0 ? { uid: 1000, gid: 1000 } : {}),
    },
  );
}

/** Folders only: the files are links to those of the project. Root's are not to be written by others anyway. */
function makeReadOnly(root: string): void {
  if (process.getuid?.() === 0) return;
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) chmodSync(join(entry.parentPath, entry.name), 0o555);
  }
}

/** Runs the health check of an image. @returns its exit code */
export function checkHealth(image: Image, env: Readonly<Record<string, string>>): number | null {
  return spawnSync('/bin/sh', ['-c', image.healthcheck ?? 'exit 2'], {
    env: { PATH: process.env['PATH'] ?? '', ...image.env, ...env },
  }).status;
}
