/** The repository's own files as the checks of this folder see them: text, syntax tree, imports, uses of globals. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { extname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseSync } from 'vite'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Paths below the root, with `/`: what git tracks or would track. */
export function repositoryFiles(): readonly string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 })
  return [...new Set(listed.split('\0'))].filter((path) => path !== '' && existsSync(join(root, path))).sort()
}

export function readRepositoryFile(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

const codeExtensions = new Set(['.ts', '.tsx', '.mts', '.mjs', '.js'])

export function isCode(path: string): boolean {
  return codeExtensions.has(extname(path))
}

export interface Node {
  readonly type: string
  readonly start: number
  readonly [key: string]: unknown
}

export interface Import {
  /** As written. */
  readonly specifier: string
  /** Names as the other module exports them; `default`, `*` for the whole. */
  readonly names: readonly string[]
  readonly line: number
}

export interface Use {
  /** `setTimeout`, `Math.random`, `new Date()` … */
  readonly what: string
  readonly line: number
}

export class SourceFile {
  readonly path: string
  readonly text: string
  readonly tree: Node
  constructor(path: string, text = readRepositoryFile(path)) {
    const parsed = parseSync(path, text, { lang: path.endsWith('x') ? 'tsx' : 'ts', sourceType: 'module' })
    if (parsed.errors.length > 0) throw new Error(`${path} cannot be parsed: ${parsed.errors[0]?.message}`)
    this.path = path
    this.text = text
    this.tree = parsed.program as unknown as Node
  }

  lineOf(node: Node): number {
    return this.text.slice(0, node.start).split('\n').length
  }

  get lines(): number {
    return this.text.split('\n').length - (this.text.endsWith('\n') ? 1 : 0)
  }

  /** Every import and re-export, of types too, and `import()` in code and in types. */
  imports(): readonly Import[] {
    const found: Import[] = []
    visit(this.tree, (node) => {
      const specifier = literalText(node.source as Node | undefined)
      if (specifier === undefined) {
        if (node.type === 'ImportExpression') found.push({ specifier: '(computed)', names: ['*'], line: this.lineOf(node) })
        return
      }
      if (node.type === 'ImportDeclaration') {
        const names = (node.specifiers as readonly Node[]).map((part) =>
          part.type === 'ImportSpecifier' ? nameOf(part.imported as Node) : part.type === 'ImportDefaultSpecifier' ? 'default' : '*')
        found.push({ specifier, names, line: this.lineOf(node) })
      } else if (node.type === 'ExportNamedDeclaration') {
        found.push({ specifier, names: (node.specifiers as readonly Node[]).map((part) => nameOf(part.local as Node)), line: this.lineOf(node) })
      } else if (['ExportAllDeclaration', 'ImportExpression', 'TSImportType'].includes(node.type)) {
        found.push({ specifier, names: ['*'], line: this.lineOf(node) })
      }
    })
    return found
  }

  /**
   * Uses of a global by its name, in code (not in types). A name that this file declares itself is not the global.
   * What is read off a global is told with it: `Math.random`, `process.exit`.
   */
  globalUses(names: ReadonlySet<string>): readonly Use[] {
    const declared = this.declaredNames()
    const found: Use[] = []
    visit(this.tree, (node, parent) => {
      if (node.type !== 'Identifier' || !names.has(node.name as string) || declared.has(node.name as string) || !isReference(node, parent)) return
      const name = node.name as string
      let what = name
      if (parent?.type === 'MemberExpression' && parent.object === node) {
        what = parent.computed === true ? `${name}[…]` : `${name}.${nameOf(parent.property as Node)}`
      } else if (parent?.type === 'NewExpression' && parent.callee === node) {
        what = (parent.arguments as readonly Node[]).length === 0 ? `new ${name}()` : `new ${name}(…)`
      }
      found.push({ what, line: this.lineOf(node) })
    })
    return found
  }

  private declaredNames(): ReadonlySet<string> {
    const names = new Set<string>()
    const bind = (pattern: unknown): void => {
      const node = pattern as Node | null | undefined
      if (node === null || node === undefined) return
      if (node.type === 'Identifier') names.add(node.name as string)
      else if (node.type === 'ObjectPattern') for (const part of node.properties as readonly Node[]) bind(part.type === 'RestElement' ? part.argument : part.value)
      else if (node.type === 'ArrayPattern') for (const part of node.elements as readonly unknown[]) bind(part)
      else if (node.type === 'AssignmentPattern') bind(node.left)
      else if (node.type === 'RestElement') bind(node.argument)
    }
    visit(this.tree, (node) => {
      if (node.type === 'VariableDeclarator') bind(node.id)
      else if (/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression|ClassDeclaration)$/.test(node.type)) {
        bind(node.id)
        for (const part of (node.params as readonly Node[] | undefined) ?? []) bind(part)
      } else if (/^Import(Default|Namespace)?Specifier$/.test(node.type)) bind(node.local)
      else if (node.type === 'CatchClause') bind(node.param)
    })
    return names
  }

  /** The first argument of each call `NAME(…)`, `NAME.each(…)(…)`, where it is a text; with the call's full name. */
  titledCalls(names: ReadonlySet<string>): readonly { readonly callee: string; readonly title: string; readonly line: number }[] {
    const found: { callee: string; title: string; line: number }[] = []
    visit(this.tree, (node) => {
      if (node.type !== 'CallExpression') return
      const callee = calleeName(node.callee as Node)
      if (callee === undefined || !names.has(callee.split('.')[0]!)) return
      const title = literalText((node.arguments as readonly Node[])[0])
      if (title !== undefined) found.push({ callee, title, line: this.lineOf(node) })
    })
    return found
  }

  /** Every text that stands in the code. */
  texts(): ReadonlySet<string> {
    const found = new Set<string>()
    visit(this.tree, (node) => {
      const text = literalText(node)
      if (text !== undefined) found.add(text)
    })
    return found
  }
}

/** Types hold no code; these parts of the tree are passed over, except `import()` in a type. */
function visit(node: Node, see: (node: Node, parent: Node | undefined) => void, parent?: Node): void {
  see(node, parent)
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) {
      for (const part of value) if (isNode(part)) visit(part, see, node)
    } else if (isNode(value)) visit(value, see, node)
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

function isReference(node: Node, parent: Node | undefined): boolean {
  if (parent === undefined) return true
  if (parent.type === 'MemberExpression') return parent.object === node || parent.computed === true
  if (parent.type === 'Property') return parent.value === node || parent.computed === true
  if (/^(MethodDefinition|PropertyDefinition|AccessorProperty)$/.test(parent.type)) return parent.value === node || parent.computed === true
  if (/^(LabeledStatement|BreakStatement|ContinueStatement|ImportSpecifier|ExportSpecifier|MetaProperty)$/.test(parent.type)) return false
  // Names in types: `x: Date`, `NodeJS.Timeout`, members of interfaces, parameters of function types.
  return !parent.type.startsWith('TS') || /^TS(As|Satisfies|NonNull|Instantiation|TypeAssertion)/.test(parent.type)
}

function nameOf(node: Node): string {
  return (node.name ?? node.value ?? '') as string
}

function literalText(node: Node | null | undefined): string | undefined {
  if (node === null || node === undefined) return undefined
  if (node.type === 'Literal' && typeof node.value === 'string') return node.value
  const quasis = node.quasis as readonly { readonly value: { readonly cooked: string } }[] | undefined
  return node.type === 'TemplateLiteral' && quasis?.length === 1 ? quasis[0]!.value.cooked : undefined
}

function calleeName(node: Node): string | undefined {
  if (node.type === 'Identifier') return node.name as string
  if (node.type === 'CallExpression') return calleeName(node.callee as Node)
  if (node.type === 'TaggedTemplateExpression') return calleeName(node.tag as Node)
  if (node.type !== 'MemberExpression' || node.computed === true) return undefined
  const left = calleeName(node.object as Node)
  return left === undefined ? undefined : `${left}.${nameOf(node.property as Node)}`
}

/** The file that a relative import names, below the root. */
export function importedPath(from: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(from), specifier))
}
