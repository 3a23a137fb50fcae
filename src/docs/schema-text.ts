/** JSON schemas in few words, for people: `{site: text, limit?: whole number (default 100)}`. The exact ones are in the endpoints' metadata. */

export interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly items?: JsonSchema | false
  readonly prefixItems?: readonly JsonSchema[]
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly default?: unknown
  readonly additionalProperties?: JsonSchema | boolean
  readonly description?: string
  readonly $ref?: string
}

/** One line a field: name, type, what it means. */
export function fieldLines(schema: JsonSchema): string[] {
  const fields = Object.entries(schema.properties ?? {})
  if (fields.length === 0) return ['- nothing']
  return fields.map(([name, field]) => {
    const optional = !(schema.required ?? []).includes(name)
    const preset = field.default === undefined ? '' : `, default \`${JSON.stringify(field.default)}\``
    const meaning = field.description === undefined ? '' : `: ${field.description}`
    return `- \`${name}\`${optional ? ' (optional)' : ''} \`${typeText(field)}\`${preset}${meaning}`
  })
}

export function typeText(schema: JsonSchema): string {
  const choices = schema.anyOf ?? schema.oneOf
  if (choices !== undefined) return choices.map(typeText).join(' | ')
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ')
  if (schema.prefixItems !== undefined) return `[${schema.prefixItems.map(typeText).join(', ')}]`
  switch (schema.type) {
    case 'array': {
      const items = schema.items ? typeText(schema.items) : 'anything'
      return items.includes(' | ') ? `(${items})[]` : `${items}[]`
    }
    case 'object':
      return objectText(schema)
    case 'integer':
    case 'number':
      return 'number'
    case undefined:
      return schema.$ref === undefined ? 'anything' : 'the same'
    default:
      return typeof schema.type === 'string' ? schema.type : schema.type.join(' | ')
  }
}

function objectText({ properties, required = [], additionalProperties }: JsonSchema): string {
  if (properties === undefined) return typeof additionalProperties === 'object' ? `{[name]: ${typeText(additionalProperties)}}` : '{…}'
  const fields = Object.entries(properties).map(([name, field]) => `${name}${required.includes(name) ? '' : '?'}: ${typeText(field)}`)
  return `{${fields.join(', ')}}`
}
