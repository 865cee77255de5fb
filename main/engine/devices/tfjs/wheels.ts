/**
 * TensorFlow for Linux on x64 from PyPI, and CUDA 12 for it. The wheel of TensorFlow for Python contains the C
 * library called by @tensorflow/tfjs-node-gpu. It finds CUDA in `nvidia/` beside its own folder, where NVIDIA's
 * wheels unpack.
 */
export const tensorflowVersion = '2.21.0'

export interface Wheel {
  readonly name: string
  readonly version: string
  readonly sha256: string
  readonly bytes: number
  /** Bytes of the files that are kept. */
  readonly unpacked: number
  /** Folder of these files, in the wheel and in the installation. */
  readonly folder: string
  readonly isKept: (path: string) => boolean
}

const headers = /^tensorflow\/include\/(\w+\/(tsl\/)?c\/(eager\/c_api|\w+)|(\w+\/core|tsl)\/platform\/ctstring\w*)\.h$/

/** One of the wheels for different versions of Python, all with the same library. */
export const tensorflowWheel: Wheel = {
  name: 'tensorflow',
  version: tensorflowVersion,
  sha256: '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124',
  bytes: 572_440_367,
  unpacked: 1_259_284_342,
  folder: 'tensorflow',
  isKept: (path) => /^tensorflow\/libtensorflow_(cc|framework)\.so\.2$/.test(path) || headers.test(path)
}

/** A CUDA wheel, of which only the libraries are kept. */
const cuda = (name: string, version: string, bytes: number, unpacked: number, sha256: string): Wheel => {
  const folder = `nvidia/${name.replaceAll('-', '_')}`
  return {
    name: `nvidia-${name}-cu12`,
    version,
    sha256,
    bytes,
    unpacked,
    folder,
    isKept: (path) => path.startsWith(`${folder}/lib/`) && /^[\w.]+\.so(\.\d+)*$/.test(path.slice(folder.length + 5))
  }
}

/** Wheels of TensorFlow's extra `and-cuda`, without nvcc, whose compilers are not used. */
export const cudaWheels: readonly Wheel[] = [
  cuda(
    'cublas',
    '12.9.3.13',
    581_217_458,
    855_064_416,
    'd7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72'
  ),
  cuda(
    'cuda-cupti',
    '12.8.90',
    10_248_621,
    41_311_976,
    'ea0cb07ebda26bb9b29ba82cda34849e73c166c18162d3913575b0c9db9a6182'
  ),
  cuda(
    'cuda-nvrtc',
    '12.9.86',
    89_568_129,
    227_340_992,
    '210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4'
  ),
  cuda(
    'cuda-runtime',
    '12.9.79',
    3_493_179,
    741_088,
    '25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3'
  ),
  cuda(
    'cudnn',
    '9.28.0.42',
    716_538_495,
    1_162_393_472,
    '9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375'
  ),
  cuda(
    'cufft',
    '11.4.1.4',
    200_877_592,
    293_609_416,
    'c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28'
  ),
  cuda(
    'curand',
    '10.3.10.19',
    68_295_626,
    166_965_432,
    '49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e'
  ),
  cuda(
    'cusolver',
    '11.7.5.82',
    338_117_415,
    494_975_064,
    '15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88'
  ),
  cuda(
    'cusparse',
    '12.5.10.65',
    366_465_088,
    486_556_368,
    '73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78'
  ),
  cuda('nccl', '2.32.3', 351_526_311, 473_614_536, 'bb94b2348e4861d5e8aa00b36c3d12d9bdf9c6369b82cbb723de0b582280a21c'),
  cuda(
    'nvjitlink',
    '12.9.86',
    39_748_338,
    95_935_344,
    'e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9'
  )
]
