/**
 * The part of the WebAssembly interface that main/ uses. Node provides it, but its types are in the DOM library,
 * which main/ does not include.
 */
declare namespace WebAssembly {
  type ExportValue = ((...operands: number[]) => unknown) | Global | Memory
  type Exports = Readonly<Record<string, ExportValue>>
  type Imports = Readonly<Record<string, Readonly<Record<string, ExportValue | ((...operands: never[]) => unknown)>>>>

  interface Memory {
    readonly buffer: ArrayBuffer
    grow(pages: number): number
  }
  const Memory: new (descriptor: { initial: number; maximum?: number; shared?: boolean }) => Memory

  interface Global<T = number> {
    value: T
  }
  const Global: new <T = number>(
    descriptor: { value: 'i32' | 'i64' | 'f32' | 'f64'; mutable?: boolean },
    value?: T
  ) => Global<T>

  type Module = object
  const Module: new (bytes: ArrayBufferView | ArrayBuffer) => Module

  interface Instance {
    readonly exports: Exports
  }
  const Instance: new (module: Module, imports?: Imports) => Instance

  const compile: (bytes: ArrayBufferView | ArrayBuffer) => Promise<Module>
  const instantiate: (module: Module, imports?: Imports) => Promise<Instance>
}
