import { s3Conformance } from './s3-conformance.ts'

s3Conformance('versitygw')
