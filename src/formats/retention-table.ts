/**
 * The table that holds until an operator gives another. spec/retention.md says where each figure comes from, and which
 * of them are custom and not law.
 */
import type { JsonObject } from './json-strict.ts'
import { parseRetentionTable, RETENTION_VERSION, type RetentionTable } from './retention.ts'

const LIFE_OF_A_MODEL = [
  'model_training',
  'model_evaluation',
  'model_promotion',
  'model_deployment',
  'configuration_change',
] as const

/** As an operator would write it. */
export const DEFAULT_RETENTION_DOCUMENT: JsonObject = {
  version: RETENTION_VERSION,
  regimes: {
    'eu-ai-act-logs': {
      title: 'EU AI Act: logs of high-risk systems',
      source: 'Regulation (EU) 2024/1689 art. 12, 19(1), 26(6)',
      basis: 'law',
      keep: 'P6M',
    },
    'eu-ai-act-documentation': {
      title: 'EU AI Act: documentation of high-risk systems',
      source: 'Regulation (EU) 2024/1689 art. 18(1)',
      basis: 'law',
      keep: 'P10Y',
      types: LIFE_OF_A_MODEL,
    },
    gdpr: {
      title: 'GDPR: storage limitation',
      source: 'Regulation (EU) 2016/679 art. 5(1)(e)',
      basis: 'law',
    },
    hipaa: {
      title: 'HIPAA: documentation of the Security Rule',
      source: '45 CFR 164.316(b)(2)(i)',
      basis: 'law',
      keep: 'P6Y',
    },
    'eu-mdr': {
      title: 'EU MDR: documentation of devices',
      source: 'Regulation (EU) 2017/745 art. 10(8)',
      basis: 'law',
      keep: 'P10Y',
    },
    'eu-mdr-implantable': {
      title: 'EU MDR: documentation of implantable devices',
      source: 'Regulation (EU) 2017/745 art. 10(8)',
      basis: 'law',
      keep: 'P15Y',
    },
    'fda-part-11': {
      title: 'FDA: audit trails of electronic records',
      source: '21 CFR 11.10(e); 21 CFR part 820 with ISO 13485:2016 4.2.5',
      basis: 'customary',
      keep: 'P2Y',
    },
    'us-model-risk': {
      title: 'US banks: model risk management',
      source: 'SR 26-2 and OCC Bulletin 2026-13, which replace SR 11-7',
      basis: 'customary',
      keep: 'P7Y',
      types: [...LIFE_OF_A_MODEL, 'decision', 'inference_request', 'inference_response'],
    },
    'sec-17a-4': {
      title: 'SEC: books and records of broker-dealers',
      source: '17 CFR 240.17a-4(a)',
      basis: 'law',
      keep: 'P6Y',
    },
    'sec-17a-4-communications': {
      title: 'SEC: communications of broker-dealers',
      source: '17 CFR 240.17a-4(b)(4)',
      basis: 'law',
      keep: 'P3Y',
    },
    'nyc-ll144': {
      title: 'New York City: automated employment decision tools',
      source: 'Local Law 144 of 2021; 6 RCNY 5-300 to 5-304',
      basis: 'customary',
      keep: 'P1Y6M',
    },
    'iso-42001': {
      title: 'ISO/IEC 42001: event logs and documented information',
      source: 'ISO/IEC 42001:2023 7.5.3, A.6.2.8',
      basis: 'customary',
      keep: 'P3Y',
    },
    'soc-2': {
      title: 'SOC 2: evidence of controls',
      source: 'AICPA Trust Services Criteria CC7.2, CC7.3',
      basis: 'customary',
      keep: 'P1Y',
    },
  },
  classes: {
    standard: { about: 'what no rule of its own applies to', keep: 'P1Y' },
    short: { about: 'as short as the jurisdiction allows', keep: 'P30D' },
    security: { about: 'evidence of controls', keep: 'P1Y', regimes: ['soc-2', 'iso-42001'] },
    'high-risk-ai': {
      about: 'high-risk systems under the EU AI Act',
      keep: 'P1Y',
      regimes: ['eu-ai-act-logs', 'eu-ai-act-documentation', 'gdpr'],
    },
    health: { about: 'US health information', keep: 'P1Y', regimes: ['hipaa'] },
    'medical-device': {
      about: 'software that is a medical device, or part of one',
      keep: 'P1Y',
      regimes: ['eu-mdr', 'fda-part-11'],
    },
    'implantable-device': {
      about: 'the same, of implantable devices',
      keep: 'P1Y',
      regimes: ['eu-mdr-implantable', 'fda-part-11'],
    },
    'bank-model': { about: 'models of US banks', keep: 'P1Y', regimes: ['us-model-risk'] },
    'broker-dealer': { about: 'US broker-dealers', keep: 'P1Y', regimes: ['sec-17a-4'] },
    'broker-dealer-communication': {
      about: 'communications of US broker-dealers',
      keep: 'P1Y',
      regimes: ['sec-17a-4-communications'],
    },
    employment: {
      about: 'decisions on hiring and promotion',
      keep: 'P1Y',
      regimes: ['nyc-ll144'],
    },
  },
  jurisdictions: {
    none: { about: 'nothing applies but what the class says', class: 'standard' },
    eu: {
      about: 'European Union',
      class: 'standard',
      regimes: ['eu-ai-act-logs', 'gdpr'],
    },
    us: { about: 'United States', class: 'standard' },
    'us-nyc': { about: 'employers in New York City', class: 'standard', regimes: ['nyc-ll144'] },
  },
}

export const DEFAULT_RETENTION_TABLE: RetentionTable = parseRetentionTable(
  DEFAULT_RETENTION_DOCUMENT,
)
