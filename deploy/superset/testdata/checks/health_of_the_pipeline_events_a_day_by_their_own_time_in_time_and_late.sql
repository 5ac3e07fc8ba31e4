SELECT CAST(date_utc AS varchar) || IF(is_final, '', '*'), events - late_events, late_events FROM completeness
